import { ConnectionError, HTTPError, MatrixError } from "matrix-js-sdk";
import { describe, expect, test } from "vitest";
import { fill, isAbout, localId, pointTo, verdictOf } from "./outgoing";
import type { Outgoing } from "./outgoing";

const message = (txn: string, content: Outgoing["content"] = {}, more: Partial<Outgoing> = {}): Outgoing => ({
    order: 1, txn, room: "!r:x", type: "m.room.message", content, uploads: [], at: 0, ...more,
});

describe("verdictOf", () => {
    test.each([
        ["no answer", new ConnectionError("fetch failed"), { is: "later" }],
        ["given up waiting", new DOMException("", "TimeoutError"), { is: "later" }],
        ["a proxy without its server", new HTTPError("bad gateway", 502), { is: "later" }],
        ["a page of something in between", new HTTPError("not found", 404), { is: "later" }],
        ["the server has a fault", new MatrixError({ errcode: "M_UNKNOWN" }, 500), { is: "later" }],
        ["too often", new MatrixError({ errcode: "M_LIMIT_EXCEEDED", retry_after_ms: 1500 }, 429), { is: "later", after: 1500 }],
        ["may not", new MatrixError({ errcode: "M_FORBIDDEN" }, 403), { is: "failed", why: "forbidden" }],
        ["too large", new MatrixError({ errcode: "M_TOO_LARGE" }, 413), { is: "failed", why: "large" }],
        ["too large for a proxy", new HTTPError("too large", 413), { is: "failed", why: "large" }],
        ["nonsense", new MatrixError({ errcode: "M_BAD_JSON" }, 400), { is: "failed", why: "refused" }],
        ["signed out", new MatrixError({ errcode: "M_UNKNOWN_TOKEN" }, 401), { is: "ended" }],
    ])("%s", (_, error, want) => {
        expect(verdictOf(error, 1)).toEqual(want);
    });

    test("what nobody knows is not tried for ever", () => {
        expect(verdictOf(new Error("?"), 1)).toEqual({ is: "later" });
        expect(verdictOf(new Error("?"), 5)).toEqual({ is: "failed", why: "refused" });
    });
});

test("what is about a message that waits is about the sent one afterwards", () => {
    const first = message("a");
    const others = [
        message("b", { "m.relates_to": { rel_type: "m.replace", event_id: localId(first) } }),
        message("c", { "m.relates_to": { "m.in_reply_to": { event_id: localId(first) } } }),
        message("d", {}, { redacts: localId(first) }),
    ];
    for (const other of others) {
        expect(isAbout(other, localId(first))).toBe(true);
        pointTo(other, localId(first), "$real");
        expect(isAbout(other, localId(first))).toBe(false);
        expect(isAbout(other, "$real")).toBe(true);
    }
    expect(isAbout(first, "$real")).toBe(false);
});

test("addresses of files are put where the field has them", () => {
    const it = message("a", { info: { size: 3 } });
    const blob = new Blob(["abc"]);
    fill(it, { part: "file", blob, name: "" }, { url: "mxc://x/1" });
    fill(it, { part: "thumbnail", blob, name: "" }, { file: { url: "mxc://x/2" } });
    expect(it.content).toEqual({ url: "mxc://x/1", info: { size: 3, thumbnail_file: { url: "mxc://x/2" } } });
});
