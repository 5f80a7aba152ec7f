import { expect, test } from "vitest";
import { deviceName } from "./entry";
import { addressOf } from "./people";

test.each([
    ["Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36", "Freehold: Chrome, Linux"],
    ["Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1", "Freehold: Safari, iOS"],
    ["Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0", "Freehold: Firefox, Windows"],
    ["curl/8", "Freehold"],
])("a session is named after %s", (agent, want) => {
    expect(deviceName(agent)).toBe(want);
});

test.each([
    ["bob", "@bob:house.example"],
    ["@bob", "@bob:house.example"],
    ["@bob:other.example:8448", "@bob:other.example:8448"],
    ["Bob Smith", undefined],
    ["@:x", undefined],
])("%s as an address", (typed, want) => {
    expect(addressOf(typed, "house.example")).toBe(want);
});
