import { SearchOrderBy } from "matrix-js-sdk";
import type { IEventWithRoomId, MatrixClient, Room } from "matrix-js-sdk";
import { plainName } from "../names";
import { htmlOf, plainText } from "../plain";
import type { Entry } from "./book";
import type { Indexing } from "./indexing";

/** A message that was found. */
export interface Found {
    id: string;
    room: string;
    roomName: string;
    thread: string;
    at: number;
    sender: string;
    name: string;
    text: string;
}

export interface Answer {
    found: Found[];
    whole: boolean; // false: the server could not be asked
}

const most = 100; // results

/** Finds messages: encrypted ones in what this device has read, others by asking the server. */
export class MessageSearch {
    constructor(
        readonly client: MatrixClient,
        readonly indexing: Indexing,
    ) {}

    async find(question: string, room: string | undefined): Promise<Answer> {
        const [here, there] = await Promise.all([this.indexing.find(question, room, most), this.#ask(question, room).catch(() => undefined)]);
        const all = new Map([...(there ?? []), ...here].map((entry) => [entry.id, entry]));
        const found = [...all.values()].sort((a, b) => b.at - a.at).slice(0, most).map((entry) => this.#found(entry));
        return { found, whole: there !== undefined };
    }

    /** What the server finds in rooms that are not encrypted. */
    async #ask(question: string, only: string | undefined): Promise<Entry[]> {
        const open = this.client.getRooms().filter((room) => room.getMyMembership() === "join" && !room.hasEncryptionStateEvent() && (only === undefined || room.roomId === only));
        if (open.length === 0) return [];
        const answer = await this.client.search({
            body: {
                search_categories: {
                    room_events: { search_term: question, filter: { rooms: open.map((room) => room.roomId), limit: 50 }, order_by: SearchOrderBy.Recent },
                },
            },
        });
        return answer.search_categories.room_events.results?.flatMap(({ result }) => entryOf(result)) ?? [];
    }

    #found(entry: Entry): Found {
        const room: Room | null = this.client.getRoom(entry.room);
        return {
            id: entry.id, room: entry.room, thread: entry.thread, at: entry.at, sender: entry.sender, text: entry.text,
            roomName: plainName(room?.name ?? entry.room), name: plainName(room?.getMember(entry.sender)?.name ?? entry.sender),
        };
    }
}

function entryOf(event: IEventWithRoomId): Entry[] {
    const content = event.content as Record<string, unknown> & { "m.relates_to"?: { rel_type?: string; event_id?: string } };
    const relation = content["m.relates_to"];
    if (typeof content.body !== "string" || relation?.rel_type === "m.replace") return [];
    return [{
        id: event.event_id, room: event.room_id, thread: relation?.rel_type === "m.thread" ? (relation.event_id ?? "") : "",
        at: event.origin_server_ts, sender: event.sender, text: plainText(htmlOf(content), content.body), edited: 0,
    }];
}
