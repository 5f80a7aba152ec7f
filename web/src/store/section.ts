import type { RoomSummary, SpaceSummary } from "./rooms";
import { Value } from "./value";

/** Which part of the list is shown: a fixed one, or the rooms of a space by its id. */
export type Section = "all" | "unread" | "people" | "groups" | "channels" | "archive" | `!${string}`;

const place = "freehold.of.section";

export const section = new Value<Section>((localStorage.getItem(place) as Section | null) ?? "all");

section.subscribe(() => localStorage.setItem(place, section.get()));

export const isNew = (room: RoomSummary): boolean => room.invited || room.unread > 0 || room.marked || room.knocks > 0;

/** The rooms of a section. What is archived is in its own section and in that of a space, and is found by typing. */
export function inSection(rooms: RoomSummary[], chosen: Section, spaces: SpaceSummary[]): RoomSummary[] {
    const kept = rooms.filter((room) => !room.archived);
    switch (chosen) {
        case "all":
            return kept;
        case "unread":
            return kept.filter((room) => isNew(room) && (!room.muted || room.mentions > 0));
        case "people":
            return kept.filter((room) => room.kind === "person");
        case "groups":
            return kept.filter((room) => room.kind === "group");
        case "channels":
            return kept.filter((room) => room.kind === "channel");
        case "archive":
            return rooms.filter((room) => room.archived);
        default: {
            const space = spaces.find(({ id }) => id === chosen);
            return space ? rooms.filter((room) => space.rooms.has(room.id)) : kept;
        }
    }
}

/** The sections that there is something for, in order. A section that has become empty stays while it is looked at. */
export function sectionsOf(rooms: RoomSummary[], spaces: SpaceSummary[], chosen: Section): Section[] {
    const has = (test: (room: RoomSummary) => boolean): boolean => rooms.some((room) => !room.archived && test(room));
    const there: [Section, boolean][] = [
        ["all", true],
        ["unread", has(isNew)],
        ["people", has((room) => room.kind === "person") && has((room) => room.kind !== "person")],
        ["groups", has((room) => room.kind === "group") && has((room) => room.kind !== "group")],
        ["channels", has((room) => room.kind === "channel")],
        ...spaces.filter((space) => !space.inner).map((space): [Section, boolean] => [space.id as Section, true]),
        ["archive", rooms.some((room) => room.archived)],
    ];
    const shown = there.filter(([name, needed]) => needed || name === chosen).map(([name]) => name);
    return shown.length > 1 ? shown : [];
}
