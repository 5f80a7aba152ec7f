import { ClientEvent, EventTimeline, EventType, MatrixEventEvent, NotificationCountType, RoomEvent, RoomMemberEvent, RoomStateEvent } from "matrix-js-sdk";
import type { MatrixClient, MatrixEvent, Room } from "matrix-js-sdk";
import { directRooms } from "./direct";
import { draftChanged, draftOf } from "./drafts";
import { gistOf } from "./gist";
import type { Gist } from "./gist";
import { plainName } from "./names";
import { soon } from "./soon";
import { archiveTag, hasUnread, isMuted, kindOf, knocksOf, pinTag, stateOf, successorOf, successorServers } from "./standing";
import type { Kind } from "./standing";
import { Subscriptions } from "./subscriptions";
import { Value } from "./value";

/** What a list shows of a room. It is replaced when something of it changes, and else the same object. */
export interface RoomSummary {
    id: string;
    name: string;
    picture: string; // its mxc address, or that of the other person; "" for none
    kind: Kind;
    invited: boolean;
    asked: boolean; // the person has asked to come in and waits for an answer
    inviter: string; // name of who invites; "" otherwise
    from: string; // and the address
    direct: boolean;
    other: string; // address of the other person of a direct conversation; "" otherwise
    encrypted: boolean;
    members: number;
    last: { who: string; whom: string | undefined; mine: boolean; gist: Gist } | undefined; // whom: the name of whom it is about
    active: number; // when there was last something, in milliseconds
    unread: number;
    mentions: number;
    marked: boolean; // as unread, by the person
    quiet: boolean; // there is something new that is not counted, as the room is muted
    muted: boolean;
    pinned: boolean;
    archived: boolean;
    draft: string;
    knocks: number; // how many ask to come in and can be answered
    mayWrite: boolean;
    successor: string; // the room in which this one goes on; "" when it has not ended
    servers: string[]; // by which that one is found
    typing: string[]; // names
}

/** A space that the person is in. */
export interface SpaceSummary {
    id: string;
    name: string;
    picture: string;
    rooms: ReadonlySet<string>; // in it and in the spaces within it
    inner: boolean; // within another one of the person's
}

/** All conversations, the most recently active first, and the spaces that gather them. */
export class RoomList {
    readonly all = new Value<RoomSummary[]>([]);
    readonly spaces = new Value<SpaceSummary[]>([]);
    readonly #summaries = new Map<string, RoomSummary>();
    readonly #changed = new Set<string>();
    readonly #subscriptions = new Subscriptions();
    #direct = new Map<string, string>(); // room to person

    constructor(readonly client: MatrixClient) {
        const refresh = soon(() => this.refresh());
        const touch = (roomId: string | undefined): void => {
            if (!roomId) return;
            this.#changed.add(roomId);
            refresh();
        };
        const touchRoom = (room: Room | undefined): void => touch(room?.roomId);
        const s = this.#subscriptions;
        s.on(client, ClientEvent.Room, touchRoom);
        s.on(client, ClientEvent.DeleteRoom, touch);
        s.on(client, RoomEvent.Timeline, (_event: MatrixEvent, room: Room | undefined) => touchRoom(room));
        s.on(client, RoomEvent.LocalEchoUpdated, (_event: MatrixEvent, room: Room) => touchRoom(room));
        s.on(client, RoomEvent.Redaction, (_event: MatrixEvent, room: Room) => touchRoom(room));
        s.on(client, RoomEvent.Receipt, (_event: MatrixEvent, room: Room) => touchRoom(room));
        s.on(client, RoomEvent.Name, touchRoom);
        s.on(client, RoomEvent.MyMembership, touchRoom);
        s.on(client, RoomStateEvent.Events, (event: MatrixEvent) => touch(event.getRoomId()));
        s.on(client, RoomMemberEvent.Typing, (event: MatrixEvent) => touch(event.getRoomId()));
        s.on(client, MatrixEventEvent.Decrypted, (event: MatrixEvent) => touch(event.getRoomId()));
        s.on(client, RoomEvent.Tags, (_event: MatrixEvent, room: Room) => touchRoom(room));
        s.on(client, RoomEvent.AccountData, (_event: MatrixEvent, room: Room) => touchRoom(room));
        s.add(draftChanged.subscribe(() => touch(draftChanged.get()?.room)));
        s.on(client, ClientEvent.AccountData, (event: MatrixEvent) => {
            const type: string = event.getType();
            if (type === (EventType.Direct as string)) this.#readDirect();
            else if (type !== (EventType.PushRules as string)) return;
            for (const room of client.getRooms()) touchRoom(room);
        });
        // Counts change with the answer of /sync alone, after its events.
        s.on(client, ClientEvent.Sync, () => {
            for (const room of client.getRooms()) if (this.#countsChanged(room)) touchRoom(room);
        });
        this.#readDirect();
        for (const room of client.getRooms()) touchRoom(room);
    }

    close(): void {
        this.#subscriptions.end();
    }

    #readDirect(): void {
        this.#direct = directRooms(this.client);
    }

    #countsChanged(room: Room): boolean {
        const known = this.#summaries.get(room.roomId);
        return known?.unread !== room.getUnreadNotificationCount() || known.mentions !== mentionsOf(room);
    }

    /** Brings the list up to date at once, for when there is to be one before the next frame. */
    refresh(): void {
        for (const id of this.#changed) {
            const room = this.client.getRoom(id);
            const summary = room && this.#summarise(room);
            if (summary) this.#summaries.set(id, summary);
            else this.#summaries.delete(id);
        }
        this.#changed.clear();
        const all = [...this.#summaries.values()];
        this.all.set(all.filter((room) => room.kind !== "space" || room.invited || room.asked).sort(byActivity));
        this.spaces.set(this.#gather(all.filter((room) => room.kind === "space" && !room.invited && !room.asked)));
    }

    /** A room by its id, also a space. */
    get(id: string): RoomSummary | undefined {
        return this.#summaries.get(id);
    }

    #gather(joined: RoomSummary[]): SpaceSummary[] {
        const within = new Map(joined.map(({ id }) => [id, childrenOf(this.client.getRoom(id))]));
        const collect = (id: string, found: Set<string>): Set<string> => {
            for (const child of within.get(id) ?? []) {
                if (found.has(child)) continue; // spaces may hold each other
                found.add(child);
                collect(child, found);
            }
            return found;
        };
        const before = new Map(this.spaces.get().map((space) => [space.id, space]));
        const next = joined.map(({ id, name, picture }) => ({
            id, name, picture, rooms: collect(id, new Set()), inner: joined.some((other) => other.id !== id && within.get(other.id)!.includes(id)),
        }));
        next.sort((a, b) => a.name.localeCompare(b.name));
        const same = next.map((space) => {
            const old = before.get(space.id);
            return old && old.name === space.name && old.picture === space.picture && old.inner === space.inner && [...old.rooms].join() === [...space.rooms].join() ? old : space;
        });
        const now = this.spaces.get();
        return same.length === now.length && same.every((space, i) => space === now[i]) ? now : same;
    }

    #summarise(room: Room): RoomSummary | undefined {
        const membership = room.getMyMembership();
        if (membership !== "join" && membership !== "invite" && membership !== "knock") return undefined;
        const own = this.client.getSafeUserId();
        const me = room.getMember(own);
        const other = this.#direct.get(room.roomId) ?? (me?.events.member?.getContent().is_direct ? (me.events.member.getSender() ?? "") : "");
        const last = lastMessage(room);
        const who = last?.event.getSender();
        const inviter = membership === "invite" ? me?.events.member?.getSender() : undefined;
        return {
            id: room.roomId,
            name: plainName(room.name),
            picture: room.getMxcAvatarUrl() ?? (other && room.getMember(other)?.getMxcAvatarUrl()) ?? "",
            kind: kindOf(room, other !== ""),
            invited: membership === "invite",
            asked: membership === "knock",
            inviter: inviter ? nameIn(room, inviter) : "",
            from: inviter ?? "",
            direct: other !== "",
            other,
            encrypted: room.hasEncryptionStateEvent(),
            members: room.getJoinedMemberCount(),
            last: last && { who: nameIn(room, who!), whom: last.gist.is === "news" && last.gist.whom ? nameIn(room, last.gist.whom) : undefined, mine: who === own, gist: last.gist },
            active: last?.event.getTs() ?? me?.events.member?.getTs() ?? 0,
            unread: room.getUnreadNotificationCount(),
            mentions: mentionsOf(room),
            marked: room.getAccountData(EventType.MarkedUnread)?.getContent().unread === true,
            quiet: membership === "join" && room.getUnreadNotificationCount() === 0 && hasUnread(this.client, room),
            muted: isMuted(this.client, room.roomId),
            pinned: pinTag in room.tags,
            archived: archiveTag in room.tags,
            draft: draftOf(room.roomId),
            knocks: knocksOf(this.client, room),
            mayWrite: membership === "join" && stateOf(room).maySendMessage(own),
            successor: successorOf(room),
            servers: successorServers(room),
            typing: (room.getLiveTimeline().getState(EventTimeline.FORWARDS)?.getMembers() ?? [])
                .filter((member) => member.typing && member.userId !== own)
                .map((member) => plainName(member.name)),
        };
    }
}

const nameIn = (room: Room, user: string): string => plainName(room.getMember(user)?.name ?? user);

const mentionsOf = (room: Room): number => room.getUnreadNotificationCount(NotificationCountType.Highlight);

/** The newest event that has something to say in a list: what somebody wrote, or else what happened. */
function lastMessage(room: Room): { event: MatrixEvent; gist: Gist } | undefined {
    const events = [...room.getLiveTimeline().getEvents().slice(-50), ...room.getPendingEvents()];
    let happened: { event: MatrixEvent; gist: Gist } | undefined;
    for (const event of events.reverse()) {
        const gist = gistOf(event);
        if (gist && gist.is !== "news") return { event, gist };
        if (gist) happened ??= { event, gist };
    }
    return happened;
}

/** The rooms of a space, by its own events: those that name a server to find the room by. */
function childrenOf(room: Room | null): string[] {
    return room ? stateOf(room).getStateEvents(EventType.SpaceChild).filter((event) => Array.isArray(event.getContent().via)).map((event) => event.getStateKey()!) : [];
}

/** Invitations first, then what is pinned, then what was active last. */
export function byActivity(a: RoomSummary, b: RoomSummary): number {
    return Number(b.invited) - Number(a.invited) || Number(b.pinned) - Number(a.pinned) || b.active - a.active || (a.id < b.id ? -1 : 1);
}
