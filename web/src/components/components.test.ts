import { expect, test } from "vitest";
import { initials } from "./Avatar";
import { addressesIn } from "./Linked";
import { drawn } from "./QrCode";

test.each([
    ["alice", "A"],
    ["Alice Cooper", "AC"],
    ["Garden on Elm Street", "GS"],
    ["@alice:house.example", "A"],
    ["Спасибо всем", "СВ"],
    ["…", "·"],
])("the letters of %s", (name, want) => {
    expect(initials(name)).toBe(want);
});

test.each([
    ["see https://example.org/a, please", ["https://example.org/a"]],
    ["(https://example.org/a)", ["https://example.org/a"]],
    ["https://example.org/a_(b)", ["https://example.org/a_(b)"]],
    ["javascript:alert(1) and file:///etc", []],
    ["http://a.example http://b.example!", ["http://a.example", "http://b.example"]],
])("the addresses in %s", (text, want) => {
    expect(addressesIn(text).map((found) => found.href)).toEqual(want);
});

test("a QR code is a square with its three eyes", () => {
    const { size, path } = drawn("https://house.example/join#token=abc");
    expect((size - 6 - 17) % 4).toBe(0); // a version's size, and a border of three on both sides
    expect(path.startsWith("M3 3h7v1h-7z")).toBe(true);
    expect(drawn(new Uint8Array([0, 255, 128])).size).toBe(27);
});
