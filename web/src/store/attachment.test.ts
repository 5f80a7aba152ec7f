import { MatrixEvent } from "matrix-js-sdk";
import { describe, expect, test } from "vitest";
import { fileGist, spotOf } from "./attachment";

const said = (content: object, type = "m.room.message"): MatrixEvent => new MatrixEvent({ type, content, event_id: "$1", sender: "@bob:house.example", room_id: "!r" });

const file = { url: "mxc://house.example/abc", v: "v2", key: { k: "aWF6", alg: "A256CTR", kty: "oct", ext: true, key_ops: [] }, iv: "w+sE", hashes: { sha256: "fdSL" } };

describe("fileGist", () => {
    test("a picture with a caption", () => {
        const gist = fileGist(said({ msgtype: "m.image", body: "Look at this", filename: "pear.jpg", file, info: { mimetype: "image/jpeg", w: 800, h: 600, size: 12, "xyz.amorgan.blurhash": "LEHV6n" } }));
        expect(gist).toMatchObject({ kind: "image", name: "pear.jpg", caption: "Look at this" });
        expect(gist?.file).toMatchObject({ source: { url: file.url, lock: { key: "aWF6", iv: "w+sE", hash: "fdSL" } }, width: 800, height: 600, blurhash: "LEHV6n" });
    });

    test("a formatted caption", () => {
        const caption = { format: "org.matrix.custom.html", formatted_body: "<b>Look</b>" };
        expect(fileGist(said({ msgtype: "m.image", body: "**Look**", filename: "pear.jpg", file, ...caption }))).toMatchObject({ caption: "**Look**", html: "<b>Look</b>" });
        expect(fileGist(said({ msgtype: "m.image", body: "pear.jpg", file, ...caption }))).toMatchObject({ caption: "", html: "" });
    });

    test("a body alone is the name", () => {
        expect(fileGist(said({ msgtype: "m.file", body: "notes.txt", url: "mxc://house.example/abc" }))).toMatchObject({ name: "notes.txt", caption: "", kind: "file" });
    });

    test("a voice message and its wave", () => {
        const voice = { msgtype: "m.audio", body: "Voice", url: "mxc://a/b", "org.matrix.msc3245.voice": {}, "org.matrix.msc1767.audio": { duration: 3000, waveform: [0, 512, 1024, 9999, "x"] } };
        expect(fileGist(said(voice))).toMatchObject({ kind: "voice", file: { duration: 3000, wave: [0, 0.5, 1, 1, 0] } });
    });

    test.each([
        ["https://evil.example/x.png"], ["mxc://house.example/../../_matrix/client/v3/sync"], ["mxc://house.example/a?b"], ["mxc://house.example"], [7], [undefined],
    ])("%s is no address of a file", (url) => {
        expect(fileGist(said({ msgtype: "m.image", body: "x", url }))?.file).toBeUndefined();
    });

    test("an encrypted file that lacks its key is not fetched as if it were open", () => {
        expect(fileGist(said({ msgtype: "m.image", body: "x", url: "mxc://a/b", file: { ...file, key: {} } }))?.file).toBeUndefined();
    });

    test("numbers that cannot be are not believed", () => {
        expect(fileGist(said({ msgtype: "m.image", body: "x", url: "mxc://a/b", info: { w: 1e9, h: -1, size: "7" } }))?.file).toMatchObject({ width: 0, height: 0, size: 0 });
    });
});

test.each([
    ["geo:48.85828,2.29449;u=35", { latitude: 48.85828, longitude: 2.29449 }],
    ["geo:-33.9,151.2,12", { latitude: -33.9, longitude: 151.2 }],
    ["geo:91,0", undefined], ["geo:1,181", undefined], ["https://x", undefined], ["", undefined], ["geo:1", undefined],
])("%s is a place", (geo, want) => {
    expect(spotOf(geo)).toEqual(want);
});
