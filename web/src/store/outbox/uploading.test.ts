import { expect, test } from "vitest";
import type { Outgoing } from "./outgoing";
import { Uploading } from "./uploading";

const message = (): Outgoing => ({
    order: 1, txn: "t", room: "!r:x", type: "m.room.message", content: {}, at: 0,
    uploads: [{ part: "thumbnail", blob: new Blob(["12"]), name: "" }, { part: "file", blob: new Blob(["12345678"]), name: "a.txt" }],
});

test("files go one after the other, and what is done is kept and not done again", async () => {
    const seen: string[] = [];
    let fails = true;
    const uploading = new Uploading(async (blob, { name, progress }) => {
        progress(0.5);
        seen.push(`${name || "preview"} ${uploading.parts.get().get("t")}`);
        if (name && fails) throw new Error("cut");
        return Promise.resolve({ url: `mxc://x/${blob.size}` });
    }, (kept) => Promise.resolve(void seen.push(`kept ${kept.uploads.filter(({ done }) => done).length}`)));
    const sent = message();
    await expect(uploading.all(sent, false, () => seen.push("begun"))).rejects.toThrow("cut");
    expect(uploading.isGoing("t")).toBe(false);
    fails = false;
    await uploading.all(sent, false, () => undefined);
    expect(seen).toEqual(["begun", "preview 0.1", "kept 1", "a.txt 0.6", "a.txt 0.6", "kept 2"]);
    expect(sent.content).toEqual({ url: "mxc://x/8", info: { thumbnail_url: "mxc://x/2" } });
    uploading.forget("t");
    expect(uploading.parts.get().size).toBe(0);
});

test("what is stopped ends at once, and says nothing of a file that came after", async () => {
    const uploading = new Uploading((_blob, { signal }) => {
        uploading.stop("t");
        return Promise.resolve(signal.aborted ? { url: "mxc://x/late" } : { url: "mxc://x/soon" });
    }, () => Promise.resolve());
    const sent = message();
    await expect(uploading.all(sent, true, () => undefined)).rejects.toThrow();
    expect(sent.content).toEqual({});
});
