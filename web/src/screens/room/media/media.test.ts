import { describe, expect, test } from "vitest";
import type { Attachment, FileGist } from "../../../store/attachment";
import { en } from "../../../strings/en";
import { fileSize, length } from "../../../strings/sizes";
import { barsOf } from "./bars";
import { coordinates } from "./spot";
import { lookOf, placeOf, previewWish } from "./wish";

const file: Attachment = { source: { url: "mxc://a/b" }, mime: "image/jpeg", size: 1000, width: 0, height: 0, duration: 0, blurhash: "", preview: undefined, wave: undefined };
const gist = (kind: FileGist["kind"], more: Partial<Attachment> = {}): FileGist => ({ is: "file", kind, name: "x", caption: "", file: { ...file, ...more } });

describe("lookOf", () => {
    test.each<[FileGist["kind"], string, FileGist["kind"]]>([
        ["image", "image/jpeg", "image"], ["image", "image/svg+xml", "file"], ["image", "text/html", "file"], ["image", "", "image"],
        ["video", "video/mp4", "video"], ["video", "text/html", "file"], ["voice", "audio/ogg", "voice"], ["sticker", "image/svg+xml", "file"], ["file", "image/png", "file"],
    ])("%s of type %s is shown as %s", (kind, mime, want) => {
        expect(lookOf(gist(kind, { mime }))).toBe(want);
    });
});

test("what is large is not fetched before it is opened", () => {
    expect(previewWish(gist("image", { source: { url: "mxc://a/b", lock: { key: "k", iv: "i", hash: "h" } }, size: 50_000_000 }))).toBeUndefined();
    expect(previewWish(gist("image", { size: 50_000_000 }))?.side).toBe(800); // the server makes a preview
    expect(previewWish(gist("video", { mime: "video/mp4" }))).toBeUndefined();
});

test("the place of a picture is within bounds, whatever it claims", () => {
    const most = { width: 336, height: 360 };
    for (const [width, height] of [[4000, 3000], [1, 90_000], [90_000, 1], [0, 0], [10, 10]] as const) {
        const place = placeOf({ ...file, width, height }, most);
        expect(place.width).toBeLessThanOrEqual(336);
        expect(place.height).toBeLessThanOrEqual(360);
        expect(place.width).toBeGreaterThanOrEqual(120);
    }
});

test("bars", () => {
    expect(barsOf([0, 1, 0.5, 0.5], 2)).toEqual([1, 0.5]);
    expect(barsOf([], 3)).toEqual([0, 0, 0]);
    expect(barsOf([0.5], 3)).toEqual([1, 1, 1]);
});

test("numbers for reading", () => {
    expect(coordinates({ latitude: -33.9, longitude: 18.4 })).toBe("33.90000° S, 18.40000° E");
    expect(length(187_000)).toBe("3:07");
    expect(length(3_727_000)).toBe("1:02:07");
    expect(fileSize(27, "en", en.media)).toBe("27 bytes");
    expect(fileSize(1_500_000, "en", en.media)).toBe("1.4 MB");
});
