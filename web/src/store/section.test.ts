import { describe, expect, test } from "vitest";
import type { RoomSummary, SpaceSummary } from "./rooms";
import { inSection, sectionsOf } from "./section";
import type { Section } from "./section";

const room = (id: string, more: Partial<RoomSummary> = {}): RoomSummary => ({
    id, name: id, picture: "", kind: "group", invited: false, asked: false, inviter: "", from: "", direct: false, other: "", encrypted: true, members: 2, last: undefined, active: 0,
    unread: 0, mentions: 0, marked: false, quiet: false, muted: false, pinned: false, archived: false, draft: "", knocks: 0, mayWrite: true, successor: "", servers: [], typing: [], ...more,
});
const rooms = [
    room("!bob", { kind: "person", unread: 2 }),
    room("!garden"),
    room("!news", { kind: "channel", muted: true, unread: 9 }),
    room("!old", { archived: true, unread: 1 }),
    room("!come", { invited: true }),
];
const spaces: SpaceSummary[] = [{ id: "!home", name: "Home", picture: "", rooms: new Set(["!garden", "!old", "!unknown"]), inner: false }, { id: "!attic", name: "Attic", picture: "", rooms: new Set(), inner: true }];

describe("a section", () => {
    test.each<[Section, string]>([
        ["all", "!bob !garden !news !come"],
        ["unread", "!bob !come"],
        ["people", "!bob"],
        ["groups", "!garden !come"],
        ["channels", "!news"],
        ["archive", "!old"],
        ["!home", "!garden !old"],
        ["!gone", "!bob !garden !news !come"],
    ])("%s", (section, want) => {
        expect(inSection(rooms, section, spaces).map(({ id }) => id).join(" ")).toBe(want);
    });

    test("those are offered that there is something for", () => {
        expect(sectionsOf(rooms, spaces, "all")).toEqual(["all", "unread", "people", "groups", "channels", "!home", "archive"]);
        expect(sectionsOf([room("!garden")], [], "all")).toEqual([]);
        expect(sectionsOf([room("!garden")], [], "unread")).toEqual(["all", "unread"]);
    });
});
