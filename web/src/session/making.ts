import { EventType, Preset, RoomCreateTypeField, RoomType, Visibility } from "matrix-js-sdk";
import type { ICreateRoomOpts, MatrixClient } from "matrix-js-sdk";
import { serverOf } from "../store/names";

/** Who finds a new room, and how one comes in. */
export type Openness = "invite" | "ask" | "space" | "public";

export interface NewRoom {
    kind: "group" | "channel" | "space";
    name: string;
    topic: string;
    openness: Openness;
    alias: string; // the first part of the address of a public room
    people: string[];
    space: string; // that the room becomes part of; "" for none
}

/** Makes groups, channels and spaces. */
export class Making {
    constructor(readonly client: MatrixClient) {}

    async make(wish: NewRoom): Promise<string> {
        const { room_id } = await this.client.createRoom(wishOf(wish, serverOf(this.client.getSafeUserId())));
        if (wish.space) await this.addTo(wish.space, room_id);
        return room_id;
    }

    /** Makes a room part of a space. */
    async addTo(space: string, room: string, suggested = false): Promise<void> {
        const via = [...new Set([serverOf(this.client.getSafeUserId()), ...(room.includes(":") ? [serverOf(room)] : [])])];
        await this.client.sendStateEvent(space, EventType.SpaceChild, { via, suggested }, room);
    }

    async removeFrom(space: string, room: string): Promise<void> {
        await this.client.sendStateEvent(space, EventType.SpaceChild, {}, room);
    }
}

/** What the server is asked for. What everybody may read is not encrypted: it would keep out those who come later, and nobody else. */
export function wishOf({ kind, name, topic, openness, alias, people, space }: NewRoom, server: string): ICreateRoomOpts {
    const open = openness === "public";
    const state: NonNullable<ICreateRoomOpts["initial_state"]> = [];
    if (!open && kind !== "space") state.push({ type: EventType.RoomEncryption, state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } });
    if (openness === "ask") state.push({ type: EventType.RoomJoinRules, state_key: "", content: { join_rule: "knock" } });
    if (openness === "space") {
        state.push({ type: EventType.RoomJoinRules, state_key: "", content: { join_rule: "restricted", allow: [{ type: "m.room_membership", room_id: space }] } });
    }
    if (space) state.push({ type: EventType.SpaceParent, state_key: space, content: { via: [server], canonical: true } });
    // In a channel only those with a role write; everybody may answer with a reaction. A space has no conversation.
    const powers =
        kind === "channel" ? { events_default: 50, events: { [EventType.Reaction]: 0 } }
        : kind === "space" ? { events_default: 100 }
        : undefined;
    return {
        preset: open ? Preset.PublicChat : Preset.PrivateChat,
        visibility: open ? Visibility.Public : Visibility.Private,
        name, ...(topic && { topic }), ...(open && alias && { room_alias_name: alias }),
        invite: people, initial_state: state,
        ...(kind === "space" && { creation_content: { [RoomCreateTypeField]: RoomType.Space } }),
        ...(powers && { power_level_content_override: powers }),
    };
}
