import { expect, test } from "vitest";
import { draftOf } from "./content";
import type { Prepared } from "./prepare";
import { fit } from "./draw";

const plain: Prepared = { kind: "file", name: "notes.txt", body: new Blob(["abc"], { type: "text/plain" }), width: 0, height: 0, duration: 0, blurhash: "", preview: undefined, wave: undefined };

test("a file says its name, type and size, and no more", () => {
    expect(draftOf(plain, undefined)).toEqual({
        type: "m.room.message",
        content: { msgtype: "m.file", body: "notes.txt", filename: "notes.txt", info: { mimetype: "text/plain", size: 3 } },
        uploads: [{ part: "file", blob: plain.body, name: "notes.txt" }],
    });
});

test("a picture with a caption and a preview, in an answer", () => {
    const preview = { body: new Blob(["p"], { type: "image/jpeg" }), width: 80, height: 60 };
    const draft = draftOf({ ...plain, kind: "image", width: 800, height: 600, blurhash: "LEHV6n", preview }, { body: "**Look**", format: "org.matrix.custom.html", formatted_body: "<strong>Look</strong>" }, { "m.relates_to": { "m.in_reply_to": { event_id: "$1" } } });
    expect(draft.content).toMatchObject({
        msgtype: "m.image", body: "**Look**", formatted_body: "<strong>Look</strong>", filename: "notes.txt", "m.relates_to": { "m.in_reply_to": { event_id: "$1" } },
        info: { w: 800, h: 600, "xyz.amorgan.blurhash": "LEHV6n", thumbnail_info: { w: 80, h: 60, mimetype: "image/jpeg", size: 1 } },
    });
    expect(draft.uploads?.map(({ part }) => part)).toEqual(["thumbnail", "file"]);
});

test("a voice message is one for the field's clients", () => {
    const { content } = draftOf({ ...plain, kind: "audio", duration: 3000, wave: [0, 0.5, 1] }, undefined);
    expect(content).toMatchObject({ msgtype: "m.audio", "org.matrix.msc3245.voice": {}, "org.matrix.msc1767.audio": { duration: 3000, waveform: [0, 512, 1024] } });
});

test("a picture is made smaller, never larger", () => {
    expect(fit(4000, 3000, 800)).toEqual({ width: 800, height: 600 });
    expect(fit(300, 200, 800)).toEqual({ width: 300, height: 200 });
    expect(fit(10_000, 1, 800)).toEqual({ width: 800, height: 1 });
});
