import { JoinRule, Method, RoomType } from "matrix-js-sdk";
import type { MatrixClient, MatrixError } from "matrix-js-sdk";
import { plainName } from "../store/names";
import { serverOf } from "../store/names";

/** A room as somebody sees it who is not in it. */
export interface Found {
    id: string;
    name: string;
    topic: string;
    alias: string;
    picture: string; // mxc address; "" for none
    members: number;
    space: boolean;
    entry: "open" | "ask" | "closed" | "space"; // space: who is in one that the room names
    encrypted: boolean;
    membership: string; // the person's: join, invite, knock, ban, leave
    via: string[];
}

export interface Child extends Found {
    suggested: boolean;
}

interface Summary {
    room_id: string;
    name?: string;
    topic?: string;
    canonical_alias?: string;
    avatar_url?: string;
    num_joined_members?: number;
    room_type?: string;
    join_rule?: string;
    membership?: string;
    encryption?: string;
    "im.nheko.summary.encryption"?: string;
}

/** Rooms that the person is not in yet: the directories, by address, in spaces; and the ways in. */
export class Finding {
    constructor(readonly client: MatrixClient) {}

    get ownServer(): string {
        return serverOf(this.client.getSafeUserId());
    }

    /** A page of a server's public directory, "" for the own one's. */
    async directory(server: string, term: string, since?: string): Promise<{ rooms: Found[]; next: string | undefined }> {
        const answer = await this.client.publicRooms({
            ...(server && server !== this.ownServer && { server }), ...(since && { since }), limit: 30, filter: { ...(term && { generic_search_term: term }), room_types: [null, RoomType.Space] },
        });
        return { rooms: answer.chunk.map((room) => this.#found(room, server ? [server] : [])), next: answer.next_batch };
    }

    /** A room by its id or address; undefined when there is none, or none that may be seen. */
    async look(address: string, via: string[]): Promise<Found | undefined> {
        try {
            return this.#found(await this.client.getRoomSummary(address, via), via);
        } catch (error) {
            if ((error as MatrixError).httpStatus === 404 || (error as MatrixError).httpStatus === 403) return undefined;
            throw error;
        }
    }

    /** What is in a space, in its order; without what is deeper. */
    async within(space: string): Promise<Child[]> {
        const rooms = new Map<string, Summary>();
        let children: { state_key: string; content: { via?: string[]; suggested?: boolean } }[] = [];
        let next: string | undefined;
        do {
            const page = await this.client.getRoomHierarchy(space, 50, 1, false, next);
            for (const room of page.rooms) {
                rooms.set(room.room_id, room);
                if (room.room_id === space) children = room.children_state;
            }
            next = page.next_batch;
        } while (next);
        // The rooms come in the space's order.
        const relation = new Map(children.map((child) => [child.state_key, child.content]));
        return [...rooms.values()].filter((room) => relation.has(room.room_id)).map((room) => {
            const { via = [], suggested = false } = relation.get(room.room_id)!;
            return { ...this.#found(room, via), suggested };
        });
    }

    /** Comes in; gives the room's id. */
    async join(address: string, via: string[]): Promise<string> {
        return (await this.client.joinRoom(address, { viaServers: via })).roomId;
    }

    /** Asks to be let in. */
    async knock(address: string, via: string[], reason: string): Promise<string> {
        return (await this.client.knockRoom(address, { viaServers: via, ...(reason && { reason }) })).room_id;
    }

    /** Rooms that the person shares with another one, by what the server knows. */
    async shared(user: string): Promise<string[]> {
        const found: string[] = [];
        let from: string | undefined;
        do {
            const page: { joined: string[]; next_batch?: string } = await this.client.http.authedRequest(
                Method.Get, "/mutual_rooms", { user_id: user, ...(from && { from }) }, undefined, { prefix: "/_matrix/client/v1" },
            );
            found.push(...page.joined);
            from = page.next_batch;
        } while (from);
        return found;
    }

    #found(room: Summary, via: string[]): Found {
        return {
            id: room.room_id,
            name: plainName(room.name ?? room.canonical_alias ?? room.room_id),
            topic: room.topic ?? "",
            alias: room.canonical_alias ?? "",
            picture: room.avatar_url ?? "",
            members: room.num_joined_members ?? 0,
            space: room.room_type === (RoomType.Space as string),
            entry: entryOf(room.join_rule),
            encrypted: !!(room.encryption ?? room["im.nheko.summary.encryption"]),
            membership: this.client.getRoom(room.room_id)?.getMyMembership() ?? room.membership ?? "leave",
            via,
        };
    }
}

/** How one comes in. A rule that is not told is that of the directory: open. */
export function entryOf(rule: string = JoinRule.Public): Found["entry"] {
    switch (rule) {
        case JoinRule.Public as string:
            return "open";
        case JoinRule.Knock as string:
        case "knock_restricted":
            return "ask";
        case JoinRule.Restricted as string:
            return "space";
        default:
            return "closed";
    }
}
