import { expect, test } from "vitest";
import { fileName } from "./takeout";

test("rooms become folders that any file system takes, each its own", () => {
    const taken = new Set<string>();
    expect(fileName("Garden / on: Elm <Street>", taken)).toBe("Garden on Elm Street");
    expect(fileName("garden on elm street", taken)).toBe("garden on elm street 2");
    expect(fileName("../..", taken)).toBe("room");
    expect(fileName("Сад 🌳", taken)).toBe("Сад");
});
