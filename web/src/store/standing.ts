import { EventTimeline, EventType, PushRuleActionName } from "matrix-js-sdk";
import type { IPushRule, MatrixClient, Room, RoomState } from "matrix-js-sdk";
import { gistOf } from "./gist";
import { serverOf } from "./names";

/** What a room is to the people in it. In a channel most only read. */
export type Kind = "person" | "group" | "channel" | "space";

export const pinTag = "m.favourite";
export const archiveTag = "m.lowpriority"; // what other clients call low priority: out of the way, in all of them

export const stateOf = (room: Room): RoomState => room.getLiveTimeline().getState(EventTimeline.FORWARDS)!;

/** What a room goes on in when it has ended; "" while it has not. */
export function successorOf(room: Room): string {
    const next = contentOf(room, EventType.RoomTombstone).replacement_room;
    return typeof next === "string" ? next : "";
}

/** By which servers that one is found: that of who has ended this one. */
export function successorServers(room: Room): string[] {
    const sender = stateOf(room).getStateEvents(EventType.RoomTombstone, "")?.getSender();
    return sender ? [serverOf(sender)] : [];
}

/** The content of a state event; what is not there has none. */
export const contentOf = (room: Room, type: string, key = ""): Record<string, unknown> => stateOf(room).getStateEvents(type, key)?.getContent() ?? {};

export interface Powers {
    users?: Record<string, number>;
    users_default?: number;
    events?: Record<string, number>;
    events_default?: number;
    state_default?: number;
    invite?: number;
    kick?: number;
    ban?: number;
    redact?: number;
    notifications?: Record<string, number>;
}

export const powersOf = (room: Room): Powers => contentOf(room, EventType.RoomPowerLevels);

/** Whether somebody without any role can only read, by what the room asks for messages. */
export function onlySomeWrite(powers: Powers, encrypted: boolean): boolean {
    const type: string = encrypted ? EventType.RoomMessageEncrypted : EventType.RoomMessage;
    return (powers.events?.[type] ?? powers.events_default ?? 0) > (powers.users_default ?? 0);
}

export function kindOf(room: Room, direct: boolean): Kind {
    if (room.isSpaceRoom()) return "space";
    if (direct) return "person";
    return onlySomeWrite(powersOf(room), room.hasEncryptionStateEvent()) ? "channel" : "group";
}

const silent = (rule: IPushRule | undefined): boolean =>
    rule?.enabled === true && !rule.actions.includes(PushRuleActionName.Notify);

/** Muted: messages are neither counted nor announced; by the rule for the room, or by one above all others. */
export function isMuted(client: MatrixClient, room: string): boolean {
    const rules = client.pushRules?.global;
    const above = rules?.override?.find((rule) => rule.conditions?.length === 1 && "pattern" in rule.conditions[0]! && rule.conditions[0].key === "room_id" && rule.conditions[0].pattern === room);
    return silent(above) || silent(rules?.room?.find((rule) => rule.rule_id === room));
}

/** Whether something was written by others after what has been read, counted or not. */
export function hasUnread(client: MatrixClient, room: Room): boolean {
    const own = client.getSafeUserId();
    const read = room.getEventReadUpTo(own);
    for (const event of room.getLiveTimeline().getEvents().slice(-50).reverse()) {
        if (event.getId() === read || event.getSender() === own) return false;
        const gist = gistOf(event);
        if (gist && gist.is !== "news") return true;
    }
    return false;
}

/** Those who have asked to come in, as far as the person may answer them. */
export function knocksOf(client: MatrixClient, room: Room): number {
    const own = client.getSafeUserId();
    if (!room.canInvite(own)) return 0;
    return room.getMembersWithMembership("knock").length;
}
