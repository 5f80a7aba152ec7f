import { MSC3575_STATE_KEY_LAZY as LAZY, MSC3575_STATE_KEY_ME as ME, MSC3575_WILDCARD as ANY, SlidingSync } from "matrix-js-sdk/lib/sliding-sync.js";

const timeout = 10_000;

// What is asked of the rooms of the list, and of a room that is open. The library names an open room in one request only,
// while the server goes by the last one (MSC4186): so what an open room needs in the long run is asked for with the list.
const listed = {
    timeline_limit: 20,
    required_state: [
        ["m.room.join_rules", ""],
        ["m.room.avatar", ""],
        ["m.room.name", ""],
        ["m.room.canonical_alias", ""],
        ["m.room.tombstone", ""],
        ["m.room.encryption", ""],
        ["m.room.create", ""],
        ["m.space.child", ANY],
        ["m.space.parent", ANY],
        ["m.room.member", ME],
        ["m.room.member", LAZY],
    ],
};
const open = {
    timeline_limit: 50,
    required_state: [
        [ANY, ANY],
        ["m.room.member", ME],
        ["m.room.member", LAZY],
    ],
};

// sliding is how a client syncs that shows a window of its rooms, the first ones up to window.
export function sliding(client, url, window) {
    return new SlidingSync(url, new Map([["all", { ranges: [[0, window - 1]], ...listed }]]), open, client, timeout);
}

// opensRoom is a click on a room in the list.
export async function opensRoom(d, { room }) {
    d.sliding.modifyRoomSubscriptions(new Set([room]));
}

// scrolls makes the window show so many rooms.
export async function scrolls(d, { window }) {
    d.sliding.setListRanges("all", [[0, window - 1]]);
}

// seesList waits until the list says that there are so many rooms, and the device has exactly these of them.
export async function seesList(d, { count, want }) {
    let last;
    const sees = () => {
        last = { count: d.sliding.getListData("all").joinedCount, rooms: d.client.getRooms().map((r) => r.roomId).sort() };
        return last.count === count && JSON.stringify(last.rooms) === JSON.stringify([...want].sort());
    };
    await d.until(() => `${count} rooms and ${want}, but ${JSON.stringify(last)}`, sees);
}
