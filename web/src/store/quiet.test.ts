import { expect, test } from "vitest";
import { kept } from "./kept";
import { isQuiet, nextHour, quietUntil } from "./quiet";

const at = (day: number, hour: number): number => new Date(2026, 10, day, hour).getTime();

test("until eight in the morning is today while it is night, and else tomorrow", () => {
    expect(nextHour(8, at(22, 3))).toBe(at(22, 8));
    expect(nextHour(8, at(22, 8))).toBe(at(23, 8));
    expect(nextHour(8, at(22, 23))).toBe(at(23, 8));
});

test("a device is quiet until then, and knows it after a reload", () => {
    quietUntil.set(at(22, 8));
    expect(isQuiet(at(22, 7))).toBe(true);
    expect(isQuiet(at(22, 9))).toBe(false);
    expect(localStorage.getItem("freehold.quiet")).toBe(String(at(22, 8)));
    quietUntil.set(Infinity);
    expect(Number(localStorage.getItem("freehold.quiet"))).toBe(Infinity);
    quietUntil.set(0);
    expect(localStorage.getItem("freehold.quiet")).toBeNull();
});

test("a choice is kept, and one that is unknown is not taken", () => {
    const shade = kept<"light" | "dark">("test", ["light", "dark"]);
    shade.set("dark");
    expect(kept<"light" | "dark">("test", ["light", "dark"]).get()).toBe("dark");
    localStorage.setItem("freehold.test", "purple");
    expect(kept<"light" | "dark">("test", ["light", "dark"]).get()).toBe("light");
});
