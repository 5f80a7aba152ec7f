import { expect, test } from "vitest";
import { joinLink, placeOf, roomLink, roomPath } from "./place";

test.each([
    ["/", { at: "home" }],
    ["/room/!abc%3Ahouse.example", { at: "room", room: "!abc:house.example", via: [] }],
    ["/room/!abc/member/%40bob%3Ahouse.example", { at: "room", room: "!abc", via: [], panel: "member", of: "@bob:house.example" }],
    ["/room/!abc/thread/%24root?event=%24one", { at: "room", room: "!abc", via: [], panel: "thread", of: "$root", event: "$one" }],
    ["/room/!abc/nothing", { at: "room", room: "!abc", via: [] }],
    ["/#/room/%23garden%3Ahouse.example?via=a.example&via=b.example", { at: "room", room: "#garden:house.example", via: ["a.example", "b.example"] }],
    ["/#/user/@bob:house.example", { at: "user", user: "@bob:house.example" }],
    ["/#/#/room/!abc", { at: "room", room: "!abc", via: [] }],
    ["/room/%E0", { at: "room", room: "%E0", via: [] }],
    ["/join#token=a%20b", { at: "register", token: "a b" }],
    ["/join", { at: "register", token: "" }],
    ["/explore/other.example", { at: "explore", server: "other.example" }],
    ["/setup?token=T", { at: "setup", token: "T" }],
    ["/register", { at: "register", token: "" }],
    ["/servers", { at: "servers" }],
    ["/no/such/thing", { at: "home" }],
])("%s", (path, want) => {
    expect(placeOf(new URL(path, "http://localhost"))).toEqual(want);
});

test("a room has an address, whatever is in its name", () => {
    const room = "!a/b?c#d:house.example";
    expect(placeOf(new URL(roomPath(room), "http://localhost"))).toEqual({ at: "room", room, via: [] });
    expect(placeOf(new URL(roomLink("http://localhost", room, ["house.example"])))).toEqual({ at: "room", room, via: ["house.example"] });
    expect(placeOf(new URL(joinLink("http://localhost", "a&b")))).toEqual({ at: "register", token: "a&b" });
});
