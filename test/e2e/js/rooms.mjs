import { RoomHierarchy } from "matrix-js-sdk/lib/room-hierarchy.js";

export async function setsState(d, { room, type, key, content }) {
    return (await d.client.sendStateEvent(room, type, content, key ?? "")).event_id;
}

// hierarchy is what a space shows: its rooms, page by page until all are there.
export async function hierarchy(d, { room }) {
    const found = new RoomHierarchy(d.room(room), 2);
    do await found.load();
    while (found.canLoadMore);
    return found.rooms.map((r) => ({
        room: r.room_id,
        name: r.name ?? "",
        space: r.room_type === "m.space",
        suggested: Boolean(found.isSuggested(room, r.room_id)),
    }));
}

export async function isSpace(d, { room }) {
    return d.room(room).isSpaceRoom();
}

export async function knocks(d, { room, reason }) {
    await d.client.knockRoom(room, { reason });
}

export async function kicks(d, { room, user }) {
    await d.client.kick(room, user);
}

export async function leaves(d, { room }) {
    await d.client.leave(room);
}

// joinsOpen goes into a room without an invitation.
export async function joinsOpen(d, { room }) {
    await d.client.joinRoom(room);
    await d.until(`that it is in ${room}`, () => d.client.getRoom(room)?.getMyMembership() === "join");
}

// knockReason waits for somebody who knocks, and gives the words that came with it.
export async function knockReason(d, { room, user }) {
    const knocking = () => d.room(room).getMember(user);
    await d.until(`${user} knocking`, () => knocking()?.membership === "knock");
    return knocking().events.member.getContent().reason;
}

// upgrades puts a new room in the place of one.
export async function upgrades(d, { room, version }) {
    const { replacement_room: next } = await d.client.upgradeRoom(room, version);
    await d.until(`that it is in ${next}`, () => d.client.getRoom(next)?.getMyMembership() === "join");
    return next;
}

// follows waits for the end of a room, and gives where it goes on.
export async function follows(d, { room }) {
    const end = await d.until("the tombstone", () => d.room(room).currentState.getStateEvents("m.room.tombstone", ""));
    return end.getContent().replacement_room;
}

// history lists a room and those before it, the oldest first, with the links checked in both directions.
export function history(d, { room }) {
    return d.client.getRoomUpgradeHistory(room, true).map((r) => ({ room: r.roomId, version: r.getVersion() }));
}

// visible lists the rooms that a list shows: those that have been replaced are not among them.
export function visible(d) {
    return d.client.getVisibleRooms().map((r) => r.roomId);
}

export async function seesState(d, { room, type, key, field, want }) {
    await d.until(`${type} with ${field} ${JSON.stringify(want)}`, () => {
        const e = d.room(room).currentState.getStateEvents(type, key ?? "");
        return e && JSON.stringify(e.getContent()[field]) === JSON.stringify(want);
    });
}
