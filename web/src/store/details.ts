import { ClientEvent, EventType, RoomEvent, RoomStateEvent } from "matrix-js-sdk";
import type { MatrixClient, MatrixEvent, Room, RoomMember, RoomState } from "matrix-js-sdk";
import { directRooms } from "./direct";
import { plainName, serverOf } from "./names";
import { roleOf, standingOf } from "./roles";
import type { Role } from "./roles";
import { soon } from "./soon";
import { contentOf, kindOf, powersOf, stateOf, successorOf } from "./standing";
import type { Kind, Powers } from "./standing";
import { Subscriptions } from "./subscriptions";
import { Value } from "./value";

export type Entry = "invite" | "ask" | "space" | "spaceOrAsk" | "public";
export type History = "joined" | "invited" | "shared" | "world_readable";

/** All that can be known and set of a room. */
export interface RoomInfo {
    id: string;
    kind: Kind;
    membership: string;
    name: string;
    setName: string; // as it was set; "" when the name is made of its members
    topic: string;
    picture: string; // mxc address; "" for none
    alias: string; // its main address
    entry: Entry;
    spaces: string[]; // whose members may come in
    history: History;
    encrypted: boolean;
    version: string;
    powers: Powers;
    predecessor: string;
    successor: string;
    servers: string[]; // by which it can be found
    may: { name: boolean; topic: boolean; picture: boolean; entry: boolean; history: boolean; encrypt: boolean; alias: boolean; roles: boolean; invite: boolean; upgrade: boolean; children: boolean };
    reason: string; // why the person is out of it, and by whom
    by: string;
}

export interface Member {
    id: string;
    name: string;
    picture: string; // mxc address; "" for none
    membership: "join" | "invite" | "knock" | "ban";
    power: number;
    role: Role;
    reason: string;
    mine: boolean;
    may: { kick: boolean; ban: boolean; role: boolean; invite: boolean };
}

/** One room in detail, for the panels beside its messages. It follows the room between open and what that gives. */
export class Details {
    readonly info: Value<RoomInfo | undefined>;
    readonly members: Value<Member[] | undefined>; // undefined until all have been fetched
    readonly #subscriptions = new Subscriptions();
    #open = false;
    #complete = false; // all members have been fetched

    constructor(
        readonly client: MatrixClient,
        readonly id: string,
    ) {
        const room = client.getRoom(id);
        this.info = new Value(room ? infoOf(client, room) : undefined);
        this.members = new Value(undefined as Member[] | undefined);
    }

    /** Follows the room; gives what ends it. */
    open(): () => void {
        const { client, id } = this;
        this.#open = true;
        const show = soon(() => this.#show());
        const ours = (found: Room | undefined): void => {
            if (found?.roomId === id) show();
        };
        const s = this.#subscriptions;
        s.on(client, RoomStateEvent.Events, (event: MatrixEvent) => event.getRoomId() === id && show());
        s.on(client, RoomStateEvent.Members, (_event: MatrixEvent, _state: RoomState, member: RoomMember) => member.roomId === id && show());
        s.on(client, RoomEvent.MyMembership, ours);
        s.on(client, RoomEvent.Name, ours);
        s.on(client, ClientEvent.Room, (found: Room) => {
            ours(found);
            if (found.roomId === id) void this.#load(show);
        });
        void this.#load(show);
        return () => {
            this.#open = false;
            s.end();
        };
    }

    async #load(show: () => void): Promise<void> {
        for (let wait = 1000; this.#open && !this.#complete; wait *= 2) {
            try {
                const room = this.client.getRoom(this.id);
                if (!room) return;
                await room.loadMembersIfNeeded();
                this.#complete = true;
            } catch (error) {
                console.warn("the members did not come", error);
                await new Promise((resolve) => setTimeout(resolve, Math.min(wait, 30_000)));
            }
        }
        show();
    }

    #show(): void {
        const room = this.client.getRoom(this.id);
        if (!room) return;
        this.info.set(infoOf(this.client, room));
        if (this.#complete) this.members.set(membersOf(this.client, room));
    }
}

const entries: Record<string, Entry> = { public: "public", knock: "ask", restricted: "space", knock_restricted: "spaceOrAsk" };
const text = (value: unknown): string => (typeof value === "string" ? value : "");

function infoOf(client: MatrixClient, room: Room): RoomInfo {
    const own = client.getSafeUserId();
    const state = stateOf(room);
    const powers = powersOf(room);
    const rules = contentOf(room, EventType.RoomJoinRules);
    const allow = Array.isArray(rules.allow) ? (rules.allow as { room_id?: unknown }[]) : [];
    const membership = room.getMyMembership();
    const may = (type: string): boolean => membership === "join" && state.maySendStateEvent(type, own);
    const me = room.getMember(own)?.events.member;
    const by = me?.getSender();
    return {
        id: room.roomId,
        kind: kindOf(room, directRooms(client).has(room.roomId)),
        membership,
        name: plainName(room.name),
        setName: text(contentOf(room, EventType.RoomName).name),
        topic: text(contentOf(room, EventType.RoomTopic).topic),
        picture: text(contentOf(room, EventType.RoomAvatar).url),
        alias: room.getCanonicalAlias() ?? "",
        entry: entries[text(rules.join_rule)] ?? "invite",
        spaces: allow.map((condition) => text(condition.room_id)).filter(Boolean),
        history: room.getHistoryVisibility() as string as History,
        encrypted: room.hasEncryptionStateEvent(),
        version: room.getVersion(),
        powers,
        predecessor: room.findPredecessor()?.roomId ?? "",
        successor: successorOf(room),
        servers: serversOf(room),
        may: {
            name: may(EventType.RoomName), topic: may(EventType.RoomTopic), picture: may(EventType.RoomAvatar), entry: may(EventType.RoomJoinRules),
            history: may(EventType.RoomHistoryVisibility), encrypt: may(EventType.RoomEncryption), alias: may(EventType.RoomCanonicalAlias), roles: may(EventType.RoomPowerLevels),
            invite: membership === "join" && room.canInvite(own), upgrade: may(EventType.RoomTombstone), children: may(EventType.SpaceChild),
        },
        reason: text(me?.getContent().reason),
        by: by && by !== own ? plainName(room.getMember(by)?.name ?? by) : "",
    };
}

/** Three servers by which a room is found: those of who has a role first, then those with the most members. */
function serversOf(room: Room): string[] {
    const weight = new Map<string, number>();
    for (const member of room.getJoinedMembers()) {
        const server = serverOf(member.userId);
        weight.set(server, (weight.get(server) ?? 0) + (member.powerLevel >= 50 ? 1000 : 1));
    }
    return [...weight].sort((a, b) => b[1] - a[1]).slice(0, 3).map(([server]) => server);
}

const order = { knock: 0, join: 1, invite: 2, ban: 3 };

function membersOf(client: MatrixClient, room: Room): Member[] {
    const own = client.getSafeUserId();
    const powers = powersOf(room);
    const me = standingOf(room.getMember(own)?.powerLevel ?? 0, room.getMyMembership() === "join", powers);
    const mayRoles = stateOf(room).maySendStateEvent(EventType.RoomPowerLevels, own);
    const members = room.getMembers().flatMap((member): Member[] => {
        const membership = member.membership;
        if (membership !== "join" && membership !== "invite" && membership !== "knock" && membership !== "ban") return [];
        const below = member.powerLevel < me.power;
        return [{
            id: member.userId,
            name: plainName(member.rawDisplayName),
            picture: member.getMxcAvatarUrl() ?? "",
            membership,
            power: member.powerLevel,
            role: roleOf(member.powerLevel),
            reason: text(member.events.member?.getContent().reason),
            mine: member.userId === own,
            may: { kick: me.kick && below && (membership !== "ban" || me.ban), ban: me.ban && below, role: mayRoles && (below || member.userId === own), invite: me.invite },
        }];
    });
    return members.sort((a, b) => order[a.membership] - order[b.membership] || b.power - a.power || a.name.localeCompare(b.name));
}
