import { describe, expect, test } from "vitest";
import { ago, brief, dayName, daysBetween } from "./dates";
import { en } from "./en";
import { ru } from "./ru";

const at = (day: number, hour = 12): number => new Date(2026, 10, day, hour).getTime();

test("days are counted by midnights, also when clocks change", () => {
    expect(daysBetween(at(20, 23), at(21, 1))).toBe(1);
    expect(daysBetween(at(21, 0), at(21, 23))).toBe(0);
    expect(daysBetween(new Date(2026, 2, 28).getTime(), new Date(2026, 2, 30).getTime())).toBe(2);
});

test("a day has a name while it is near", () => {
    expect(dayName(at(21), "en", en.room, at(21, 20))).toBe("Today");
    expect(dayName(at(20), "ru", ru.room, at(21))).toBe("Вчера");
    expect(dayName(at(1), "ru", ru.room, at(21))).toBe("воскресенье, 1 ноября");
    expect(brief(at(19), "ru", at(21))).toBe("чт");
});

test.each([
    [at(21, 12), "now"],
    [at(21, 13), "now"], // by another clock
    [at(21, 12) - 180_000, "3 minutes ago"],
    [at(21, 9), "3 hours ago"],
    [at(20, 23), "yesterday"],
    [at(17), "4 days ago"],
])("how long ago something was", (then, want) => {
    expect(ago(then, "en", at(21, 12))).toBe(want);
});

describe("Russian numbers", () => {
    test.each([
        [1, "1 непрочитанное сообщение"],
        [3, "3 непрочитанных сообщения"],
        [11, "11 непрочитанных сообщений"],
        [21, "21 непрочитанное сообщение"],
    ])("%i", (n, want) => {
        expect(ru.rooms.unread(n)).toBe(want);
    });
});

test("no text of one language is left in another", () => {
    const flat = (value: unknown, path = ""): [string, string][] =>
        typeof value === "string" ? [[path, value]]
        : typeof value === "object" && value ? Object.entries(value).flatMap(([key, inner]) => flat(inner, `${path}.${key}`))
        : [];
    const english = new Map(flat(en));
    for (const [path, text] of flat(ru)) expect(text, path).not.toBe(english.get(path));
});
