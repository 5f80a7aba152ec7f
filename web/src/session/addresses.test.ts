import { expect, test } from "vitest";
import { aliasOf, targetOf } from "./addresses";
import { wishOf } from "./making";
import type { NewRoom } from "./making";

test.each([
    ["#garden", { room: "#garden:house.example", via: [] }],
    [" #garden:other.example:8448 ", { room: "#garden:other.example:8448", via: [] }],
    ["#garden:[::1]:8448", { room: "#garden:[::1]:8448", via: [] }],
    ["!abc:house.example", { room: "!abc:house.example", via: [] }],
    ["!abcdef", { room: "!abcdef", via: [] }],
    ["https://house.example/#/room/%23garden%3Ahouse.example?via=a.example", { room: "#garden:house.example", via: ["a.example"] }],
    ["https://matrix.to/#/!abc:house.example?via=a.example&via=b.example", { room: "!abc:house.example", via: ["a.example", "b.example"] }],
    ["https://matrix.to/#/%23a:b.example/$event", { room: "#a:b.example", via: [] }],
    ["matrix:r/garden:house.example", { room: "#garden:house.example", via: [] }],
    ["https://matrix.to/#/@bob:house.example", { room: "@bob:house.example", via: [] }],
    ["garden", undefined],
    ["# garden", undefined],
    ["https://example.org/", undefined],
])("what %s leads to", (typed, want) => {
    expect(targetOf(typed, "house.example")).toEqual(want);
});

test.each([
    ["Garden on Elm Street!", "garden-on-elm-street"],
    ["Émigrés & Co", "emigres-co"],
    ["Наш сад", "наш-сад"],
    ["…", ""],
])("the address of %s", (name, want) => {
    expect(aliasOf(name)).toBe(want);
});

const wish: NewRoom = { kind: "group", name: "A", topic: "", openness: "invite", alias: "", people: [], space: "" };
const types = (more: Partial<NewRoom>): string[] => wishOf({ ...wish, ...more }, "house.example").initial_state!.map((event) => event.type);

test("what is private is encrypted, what is public is not", () => {
    expect(types({})).toContain("m.room.encryption");
    expect(types({ openness: "ask" })).toEqual(["m.room.encryption", "m.room.join_rules"]);
    expect(types({ openness: "public" })).toEqual([]);
    expect(types({ kind: "space" })).toEqual([]);
});

test("in a channel messages need a role, reactions do not", () => {
    expect(wishOf({ ...wish, kind: "channel" }, "house.example").power_level_content_override).toEqual({ events_default: 50, events: { "m.reaction": 0 } });
});
