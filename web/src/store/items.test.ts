import { describe, expect, test } from "vitest";
import { itemsOf, nothingAround } from "./items";
import type { Item, Source } from "./items";

const noon = new Date(2026, 10, 20, 12).getTime();

function said(key: string, sender: string, at: number, more: Partial<Source> = {}): Source {
    return { key, id: key, at, sender, name: sender, whom: "", mine: false, gist: { is: "text", text: key, html: "", manner: "said" }, edited: false, way: "there", reply: undefined, reactions: [], thread: undefined, poll: undefined, mentioned: false, ...more };
}

const none = new Map<string, Item>();

/** A conversation in short: "day", "news", or the text with its place in its group. */
const short = (items: Item[]): string[] =>
    items.map((item) => (item.is === "message" ? `${item.key}${item.first ? " first" : ""}${item.last ? " last" : ""}` : item.is));

describe("itemsOf", () => {
    test.each<[string, Source[], string[]]>([
        ["nothing", [], []],
        ["one", [said("a", "bob", noon)], ["day", "a first last"]],
        ["together", [said("a", "bob", noon), said("b", "bob", noon + 60_000)], ["day", "a first", "b last"]],
        ["too late to be together", [said("a", "bob", noon), said("b", "bob", noon + 301_000)], ["day", "a first last", "b first last"]],
        ["two people", [said("a", "bob", noon), said("b", "eve", noon)], ["day", "a first last", "b first last"]],
        [
            "news between",
            [said("a", "bob", noon), said("n", "bob", noon, { gist: { is: "news", what: "joined", whom: "eve", value: "" } }), said("b", "bob", noon)],
            ["day", "a first last", "news", "b first last"],
        ],
        [
            "over midnight",
            [said("a", "bob", new Date(2026, 10, 20, 23, 59).getTime()), said("b", "bob", new Date(2026, 10, 21, 0, 1).getTime())],
            ["day", "a first last", "day", "b first last"],
        ],
    ])("%s", (_, sources, want) => {
        expect(short(itemsOf(sources, nothingAround, none))).toEqual(want);
    });

    test("what happens to several people in a row is one line; the first name of a conversation is none", () => {
        const news = (key: string, sender: string, what: "created" | "named" | "invited" | "joined", whom = "", more: Partial<Source> = {}): Source =>
            said(key, sender, noon, { whom, gist: { is: "news", what, whom, value: "" }, ...more });
        const sources = [
            news("1", "bob", "created"), news("2", "bob", "named"), news("3", "bob", "invited", "eve"), news("4", "bob", "invited", "ann"), news("5", "eve", "invited", "tom"),
            news("6", "eve", "joined", "eve"), news("7", "me", "joined", "me", { mine: true }), news("8", "ann", "joined", "ann"), news("9", "tom", "joined", "tom"),
            said("10", "bob", noon), news("11", "bob", "named", "", { at: noon + 60_000 }),
        ];
        const lines = (items: Item[]): string[] => items.flatMap((item) => (item.is === "news" ? `${item.gist.what} ${item.whom}`.trim() : []));
        const items = itemsOf(sources, nothingAround, none);
        expect(lines(items)).toEqual(["created", "invited eve, ann", "invited tom", "joined eve", "joined me", "joined ann, tom", "named"]);
        const again = itemsOf(sources, nothingAround, new Map(items.map((item) => [item.key, item])));
        expect(again.every((item, i) => item === items[i])).toBe(true);
    });

    test("what has not changed stays the same object, so that it is not drawn again", () => {
        const sources = [said("a", "bob", noon), said("b", "eve", noon)];
        const first = itemsOf(sources, nothingAround, none);
        const before = new Map(first.map((item) => [item.key, item]));
        const next = itemsOf([sources[0]!, said("b", "eve", noon, { edited: true })], nothingAround, before);
        expect(next[0]).toBe(first[0]);
        expect(next[1]).toBe(first[1]);
        expect(next[2]).not.toBe(first[2]);
        const read = itemsOf(sources, { ...nothingAround, readers: new Map([[1, [{ id: "@eve:x", name: "eve" }]]]) }, before);
        expect(read[1]).toBe(first[1]);
        expect(read[2]).not.toBe(first[2]);
    });

    test("what is new is marked, and begins a group", () => {
        const items = itemsOf([said("a", "bob", noon), said("b", "bob", noon), said("c", "bob", noon)], { ...nothingAround, unreadFrom: 1 }, none);
        expect(short(items)).toEqual(["day", "a first last", "unread", "b first", "c last"]);
    });

    test("own messages say how far they have come", () => {
        const mine = (key: string, more: Partial<Source> = {}): Source => said(key, "me", noon, { mine: true, ...more });
        const items = itemsOf([mine("a"), mine("b"), mine("c", { way: "waiting" }), mine("d", { way: "failed" })], { ...nothingAround, read: 0 }, none);
        expect(items.map((item) => (item.is === "message" ? item.progress : item.is))).toEqual(["day", "read", "sent", "waiting", "failed"]);
    });
});
