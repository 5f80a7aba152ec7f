import { expect, test } from "vitest";
import { Book } from "./book";
import type { Entry } from "./book";

const entry = (id: string, text: string, more: Partial<Entry> = {}): Entry => ({ id, room: "!a", thread: "", at: Number(id), sender: "@bob:x", text, edited: 0, ...more });

test("finds what has every word, the newest first, whatever its accents and capitals", () => {
    const book = new Book(100);
    for (const one of [entry("1", "Ёлка у реки"), entry("2", "елка в доме"), entry("3", "Café au lait", { room: "!b" })]) book.take(one);
    expect(book.find("ЕЛКА", undefined, 10).map(({ id }) => id)).toEqual(["2", "1"]);
    expect(book.find("елка рек", undefined, 10).map(({ id }) => id)).toEqual(["1"]);
    expect(book.find("cafe", undefined, 10).map(({ id }) => id)).toEqual(["3"]);
    expect(book.find("cafe", "!a", 10)).toEqual([]);
    expect(book.find(" ", undefined, 10)).toEqual([]);
});

test("an edit counts, an older one does not, and what is gone is gone", () => {
    const book = new Book(100);
    book.take(entry("1", "first"));
    expect(book.take(entry("1", "first"))).toBe(false);
    expect(book.take(entry("1", "second", { at: 50, edited: 50 }))).toBe(true);
    expect(book.take(entry("1", "first"))).toBe(false);
    expect(book.find("second", undefined, 1)).toMatchObject([{ id: "1", at: 1, text: "second" }]);
    expect(book.take({ gone: "1" })).toBe(true);
    expect(book.find("second", undefined, 1)).toEqual([]);
});

test("it has an end: the oldest are forgotten", () => {
    const book = new Book(100);
    for (let i = 1; i <= 150; i++) book.take(entry(String(i), "word"));
    expect(book.size).toBeLessThanOrEqual(100);
    expect(book.find("word", undefined, 1)[0]?.id).toBe("150");
    expect(book.find("word", undefined, 200).some(({ id }) => id === "1")).toBe(false);
});
