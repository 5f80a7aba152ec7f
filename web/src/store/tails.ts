import { ClientEvent, EventTimeline, RoomEvent } from "matrix-js-sdk";
import type { IRoomTimelineData, MatrixClient, MatrixEvent, Room, SyncState, SyncStateData } from "matrix-js-sdk";
import { Subscriptions } from "./subscriptions";

const most = 200; // limit: messages that are kept in memory of a conversation that is not open | 200 | older ones are read again when scrolled to
const left = 100; // of them, when some are let go
const step = 25; // messages from one mark to the next, at least

/** A place between two events that the server can be asked to go back from. */
interface Mark {
    before: string; // the last event before it
    token: string;
}

/**
 * Keeps the memory of a long day flat: the SDK keeps whatever came since the app was opened. Of conversations that are not open the
 * oldest messages are let go, back to where an answer of /sync ended: from its token they are read again when somebody scrolls there.
 */
export class Tails {
    readonly #marks = new Map<string, Mark[]>(); // by room, the oldest first
    readonly #fresh = new Map<string, number>(); // how much has come into a room since its last mark
    readonly #subscriptions = new Subscriptions();

    constructor(
        readonly client: MatrixClient,
        readonly isOpen: (room: string) => boolean,
    ) {
        client.setCanResetTimelineCallback((room) => !isOpen(room)); // what was before a gap
        const s = this.#subscriptions;
        s.on(client, RoomEvent.Timeline, (_event: MatrixEvent, room: Room | undefined, _start: boolean | undefined, _removed: boolean, data: IRoomTimelineData) => {
            if (room && data.liveEvent && data.timeline === room.getLiveTimeline()) this.#fresh.set(room.roomId, (this.#fresh.get(room.roomId) ?? 0) + 1);
        });
        s.on(client, RoomEvent.TimelineReset, (room: Room | undefined) => room && this.#marks.delete(room.roomId));
        s.on(client, ClientEvent.Sync, (_state: SyncState, _before: SyncState | null, data?: SyncStateData) => {
            if (data?.nextSyncToken) this.#came(data.nextSyncToken);
        });
    }

    close(): void {
        this.#subscriptions.end();
    }

    #came(token: string): void {
        for (const [id, count] of this.#fresh) {
            const room = this.client.getRoom(id);
            if (count >= step) {
                const last = room?.getLiveTimeline().getEvents().at(-1)?.getId();
                if (last) this.#marks.set(id, [...(this.#marks.get(id) ?? []), { before: last, token }]);
                this.#fresh.delete(id);
            }
            if (room && !this.isOpen(id)) this.#trim(room);
        }
    }

    #trim(room: Room): void {
        const live = room.getLiveTimeline();
        if (live.getEvents().length <= most || live.getNeighbouringTimeline(EventTimeline.BACKWARDS)) return;
        const ids = live.getEvents().map((event) => event.getId()!);
        const marks = this.#marks.get(room.roomId) ?? [];
        const at = marks.findLastIndex(({ before }) => { // not too near to the end, and still there
            const place = ids.indexOf(before);
            return place >= 0 && place < ids.length - left;
        });
        const mark = marks[at];
        if (!mark) return;
        const set = live.getTimelineSet();
        for (const id of ids.slice(0, ids.indexOf(mark.before) + 1)) set.removeEvent(id);
        live.setPaginationToken(mark.token, EventTimeline.BACKWARDS);
        this.#marks.set(room.roomId, marks.slice(at + 1));
    }
}
