import { expect, test } from "vitest";
import { namedIn } from "./discovery";

test.each([
    ["matrix.org", { name: "matrix.org", base: "https://matrix.org", asked: true }],
    [" @bob:example.org:8448 ", { name: "example.org:8448", base: "https://example.org:8448", asked: true }],
    ["https://chat.example.org/", { name: "chat.example.org", base: "https://chat.example.org", asked: false }],
    ["http://192.168.1.5:8008", { name: "192.168.1.5:8008", base: "http://192.168.1.5:8008", asked: false }],
    ["", undefined],
    ["two words", undefined],
    ["@bob:", undefined],
])("%j leads to %j", (typed, want) => {
    expect(namedIn(typed)).toEqual(want);
});
