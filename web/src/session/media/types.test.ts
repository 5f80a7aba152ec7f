import { expect, test } from "vitest";
import { bytes, mannerOf, safeType } from "./types";

test.each([
    ["image/png", "image/png"], ["IMAGE/JPEG", "image/jpeg"], ["audio/ogg; codecs=opus", "audio/ogg"], ["video/mp4", "video/mp4"],
    ["image/svg+xml", bytes], ["text/html", bytes], ["application/xhtml+xml", bytes], ["application/pdf", bytes], ["text/javascript", bytes], ["", bytes], ["image/png, text/html", bytes],
])("%s is shown as %s", (mime, want) => {
    expect(safeType(mime)).toBe(want);
});

test("what cannot be shown is a file", () => {
    expect(mannerOf("image/svg+xml")).toBe("file");
    expect(mannerOf("image/webp")).toBe("image");
    expect(mannerOf("audio/mpeg")).toBe("audio");
});
