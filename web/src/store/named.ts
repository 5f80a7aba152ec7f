import type { MatrixClient, Room } from "matrix-js-sdk";
import type { Reader } from "./items";
import { plainName } from "./names";

/** People in a room whose name or address begins with what is typed, or has a word that does; who spoke last comes first. */
export function peopleIn(room: Room, typed: string, own: string): Reader[] {
    void room.loadMembersIfNeeded(); // those who have not spoken come with the server's answer
    const wanted = typed.toLocaleLowerCase();
    const begins = (text: string): boolean => ` ${text.toLocaleLowerCase()}`.includes(` ${wanted}`);
    const spoke = new Map(room.getLiveTimeline().getEvents().map((event, i): [string, number] => [event.getSender() ?? "", i]));
    return room.getJoinedMembers()
        .filter((member) => member.userId !== own)
        .map((member) => ({ id: member.userId, name: plainName(member.name) }))
        .filter(({ id, name }) => begins(name) || begins(id.slice(1)))
        .sort((a, b) => (spoke.get(b.id) ?? -1) - (spoke.get(a.id) ?? -1) || a.name.localeCompare(b.name));
}

export function roomsNamed(client: MatrixClient, typed: string): { alias: string; name: string }[] {
    const wanted = typed.toLocaleLowerCase();
    return client.getRooms().flatMap((room) => {
        const alias = room.getMyMembership() === "join" ? room.getCanonicalAlias() : null;
        const name = plainName(room.name);
        return alias && (alias.slice(1).toLocaleLowerCase().startsWith(wanted) || ` ${name.toLocaleLowerCase()}`.includes(` ${wanted}`)) ? [{ alias, name }] : [];
    });
}
