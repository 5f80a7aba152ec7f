import { Direction, MatrixEventEvent, RelationType, RoomEvent, RoomMemberEvent, ThreadEvent, TimelineWindow } from "matrix-js-sdk";
import type { EventTimelineSet, IRoomTimelineData, MatrixClient, MatrixEvent, Room, Thread } from "matrix-js-sdk";
import { Acts } from "./acts";
import { Decryption } from "./decryption";
import { discretionOf, receiptOf } from "./discretion";
import { Events } from "./events";
import type { Item, Quote, Reader } from "./items";
import { Lines } from "./lines";
import type { Outbox } from "./outbox/outbox";
import { peopleIn, roomsNamed } from "./named";
import { PollBook } from "./pollbook";
import { soon } from "./soon";
import { Sources } from "./sources";
import { stateOf } from "./state";
import { Subscriptions } from "./subscriptions";
import { Value } from "./value";
import { Writing } from "./writing";

const page = 50; // events that are asked for at once
const longest = 1000; // limit: events of an opened timeline | 1,000 | the far end is let go and read again when scrolled to

/** Whether there is more beyond an end of what is shown. */
export type More = "some" | "coming" | "none";

export interface TimelineState {
    items: Item[];
    shifted: boolean; // the newest change of items was at their beginning
    loading: boolean; // nothing is there to show yet
    older: More;
    newer: More; // other than "none" when the person has gone far back
    unread: number; // messages of others that have not been read
}

/** The conversation of one room, or of one thread in it: from the newest message back, or around a message that was jumped to. */
export class Timeline {
    readonly state = new Value<TimelineState>({ items: [], shifted: false, loading: true, older: "some", newer: "none", unread: 0 });
    /** The message that is to be brought into sight; a new object each time. */
    readonly focus = new Value<{ id: string } | undefined>(undefined);
    readonly acts: Acts;
    readonly writing: Writing;
    readonly #room: Room | undefined;
    readonly #sources: Sources | undefined;
    readonly #lines: Lines | undefined;
    readonly #polls: PollBook | undefined;
    readonly #decryption: Decryption;
    readonly #subscriptions = new Subscriptions();
    readonly #showSoon = soon(() => this.#show());
    #window: TimelineWindow | undefined;
    #loads = 0; // so that the last of several wins

    constructor(
        readonly client: MatrixClient,
        readonly outbox: Outbox,
        readonly roomId: string,
        readonly threadId?: string,
    ) {
        this.#room = client.getRoom(roomId) ?? undefined;
        this.acts = new Acts(client, outbox, roomId, threadId);
        this.writing = new Writing(threadId ? `${roomId} ${threadId}` : roomId);
        this.#decryption = new Decryption(client, () => this.#window?.getEvents() ?? []);
        if (!this.#room) return;
        const touch = (id: string): void => {
            this.#sources?.changedId(id);
            this.#showSoon();
        };
        this.#polls = new PollBook(client, this.#room, touch);
        this.#sources = new Sources(client, outbox, this.#room, new Events(client, touch), this.#polls, threadId);
        this.#lines = new Lines(client, this.#room, this.#sources, threadId);
        this.#listen(this.#room, touch);
        void this.#load();
    }

    #listen(room: Room, touch: (id: string) => void): void {
        const s = this.#subscriptions;
        const changed = (event: MatrixEvent): void => {
            if (event.getRoomId() !== this.roomId) return;
            this.#sources?.changed(event);
            this.#showSoon();
        };
        s.on(room, RoomEvent.Timeline, (event: MatrixEvent, _room: Room | undefined, _start: boolean | undefined, _removed: boolean, data: IRoomTimelineData) => {
            if (data.timeline.getTimelineSet() === this.#set && this.state.get().newer === "none") {
                this.#letGo("older");
                while (this.#window?.extend(Direction.Forward, page)); // what came live
            }
            changed(event);
        });
        s.on(room, RoomEvent.TimelineReset, (_room: Room | undefined, set: EventTimelineSet) => {
            if (set === this.#set) void this.#load(); // the server left a gap: begin at the newest
        });
        s.on(room, RoomEvent.LocalEchoUpdated, (event: MatrixEvent, _room: Room, old?: string) => {
            if (old) this.#sources?.changedId(old);
            changed(event);
        });
        s.add(this.outbox.state.subscribe(this.#showSoon));
        s.on(room, RoomEvent.Redaction, changed);
        s.on(room, RoomEvent.RedactionCancelled, changed);
        s.on(room, RoomEvent.Receipt, () => {
            for (const thread of room.getThreads()) this.#sources?.changedId(thread.id);
            this.#showSoon();
        });
        s.on(room, RoomEvent.MyMembership, this.#showSoon);
        s.on(room, RoomEvent.UnreadNotifications, (_counts?: unknown, thread?: string) => thread && touch(thread));
        const threaded = (thread: Thread): void => touch(thread.id);
        s.on(room, ThreadEvent.New, threaded);
        s.on(room, ThreadEvent.Update, threaded);
        s.on(room, ThreadEvent.NewReply, threaded);
        s.on(room, ThreadEvent.Delete, threaded);
        s.on(this.client, MatrixEventEvent.Decrypted, changed);
        s.on(this.client, MatrixEventEvent.Replaced, changed);
        s.on(this.client, RoomMemberEvent.Name, (event: MatrixEvent) => event.getRoomId() === this.roomId && touch("*"));
    }

    close(): void {
        this.#decryption.close();
        this.#polls?.close();
        this.#subscriptions.end();
    }

    /** The person comes to look: what is new to them is marked until they come the next time. */
    visit(): void {
        this.#lines?.arrive();
        if (this.#window) this.#show();
    }

    /** Brings a message into sight, wherever in the history it is. False when it cannot be had. */
    async jump(id: string): Promise<boolean> {
        const there = this.state.get().items.some((item) => item.is === "message" && item.id === id);
        if (!there && !(await this.#load(id))) return false;
        this.focus.set({ id });
        return true;
    }

    /** Goes to the first message of a day. False when there is none. */
    async jumpToDate(at: number): Promise<boolean> {
        try {
            const { event_id } = await this.client.timestampToEvent(this.roomId, at, Direction.Forward);
            const event = await this.client.fetchRoomEvent(this.roomId, event_id);
            const loaded = await this.#load(event_id);
            // What stands there may be something that is not shown: the next that is will do.
            const next = this.state.get().items.find((item) => (item.is === "message" || item.is === "news") && item.at >= (event.origin_server_ts ?? at));
            if (next) this.focus.set({ id: next.is === "message" ? next.id : next.key });
            return loaded;
        } catch {
            return false;
        }
    }

    /** Shows the newest again after a jump far back. */
    async toNewest(): Promise<void> {
        if (this.state.get().newer !== "none") await this.#load();
    }

    get #set(): EventTimelineSet | undefined {
        const room = this.#room;
        if (!room || !this.threadId) return room?.getUnfilteredTimelineSet();
        const root = room.findEventById(this.threadId);
        return (room.getThread(this.threadId) ?? room.createThread(this.threadId, root, [], true)).timelineSet;
    }

    async #load(around?: string): Promise<boolean> {
        const set = this.#set;
        if (!set) return false;
        const turn = ++this.#loads;
        const window = new TimelineWindow(this.client, set, { windowLimit: Infinity }); // #letGo sees to that
        try {
            await window.load(around, page);
        } catch (error) {
            console.warn("this part of the conversation did not come", error);
            return false;
        }
        if (turn !== this.#loads) return false;
        this.#window = window;
        if (!around) while (window.extend(Direction.Forward, page)); // what came while it was loading
        this.#put({ newer: around && window.canPaginate(Direction.Forward) ? "some" : "none", older: "some" });
        this.#show();
        if (this.state.get().items.length < page / 2) await this.more();
        return true;
    }

    /** Fetches what was before. */
    more(): Promise<void> {
        return this.#fetch("older", Direction.Backward);
    }

    /** Fetches what came after, when the person has jumped back. */
    later(): Promise<void> {
        return this.#fetch("newer", Direction.Forward);
    }

    async #fetch(end: "older" | "newer", direction: Direction): Promise<void> {
        const window = this.#window;
        if (!window || this.state.get()[end] !== "some") return;
        if (!window.canPaginate(direction)) {
            this.#put({ [end]: "none" });
            return;
        }
        this.#put({ [end]: "coming" });
        if (this.#letGo(end === "older" ? "newer" : "older")) await new Promise((resolve) => setTimeout(resolve)); // until it is shown
        try {
            await window.paginate(direction, page);
        } catch (error) {
            console.warn("more messages did not come", error);
            await new Promise((resolve) => setTimeout(resolve, 3000));
        }
        if (window !== this.#window) return;
        this.#show(end === "older");
        const more = (way: Direction): More => (window.canPaginate(way) ? "some" : "none");
        this.#put({ older: more(Direction.Backward), newer: this.state.get().newer === "none" ? "none" : more(Direction.Forward) });
    }

    /**
     * Lets go of what is beyond the limit at an end. It is shown before more comes at the other one, since a view keeps its place by how
     * many items an end has gained or lost. False when there is nothing to let go of.
     */
    #letGo(end: "older" | "newer"): boolean {
        const window = this.#window;
        const excess = (window?.getEvents().length ?? 0) + page - longest;
        if (!window || excess <= 0) return false;
        window.unpaginate(excess, end === "older");
        this.#put({ [end]: "some" });
        this.#show(end === "older");
        return true;
    }

    /** Tells the others that everything has been read that is there. */
    read(): void {
        const newest = this.#window?.getEvents().findLast((event) => event.status === null);
        const room = this.#room;
        if (!newest || !room || this.state.get().newer !== "none" || room.getMyMembership() !== "join") return;
        if (this.#lines?.readUpTo() === newest.getId()) return;
        void this.client.sendReadReceipt(newest, receiptOf(this.client)).catch(() => undefined);
        this.#showSoon();
    }

    /** The newest message of the person's own that can be edited. */
    lastOwn(): string | undefined {
        const own = this.state.get().items.findLast((item) => item.is === "message" && item.mine && item.gist.is === "text" && item.way === "there");
        return own?.is === "message" && this.acts.rights(own.id).edit ? own.id : undefined;
    }

    /** A message in short, for what speaks of it. */
    quote(id: string): Quote {
        return this.#sources?.quote(id) ?? { id, sender: "", name: "", mine: false, gist: undefined };
    }

    /** People here whose name or address begins with what is typed, or has a word that does. */
    people(typed: string): Reader[] {
        return this.#room ? peopleIn(this.#room, typed, this.client.getSafeUserId()) : [];
    }

    /** Rooms with an address to be named by. */
    roomsNamed(typed: string): { alias: string; name: string }[] {
        return roomsNamed(this.client, typed);
    }

    /** Whether the person may call for everybody here. */
    mayTellAll(): boolean {
        return !!this.#room && stateOf(this.#room).mayTriggerNotifOfType("room", this.client.getSafeUserId());
    }

    typing(on: boolean): void {
        if (!discretionOf(this.client).typing) return;
        void this.client.sendTyping(this.roomId, on, 20_000).catch(() => undefined);
    }

    /** Keys have come: tries at once what could not be decrypted. */
    retry(): void {
        this.#decryption.now();
    }

    #put(change: Partial<TimelineState>): void {
        this.state.set({ ...this.state.get(), ...change });
    }

    /** Makes the items anew; shifted is given when it is for what has come before them, or is no more. */
    #show(shifted = false): void {
        const room = this.#room;
        if (!this.#window || !room) return;
        const pending = this.state.get().newer === "none" ? room.getPendingEvents().filter((event) => this.#isOurs(event)) : [];
        const shown = this.#lines?.of([...this.#window.getEvents(), ...pending]);
        if (!shown) return;
        this.#decryption.look();
        this.#put({ ...shown, loading: false, shifted });
    }

    /** Whether an event that is on its way will be shown here: those of threads are shown in them. */
    #isOurs(event: MatrixEvent): boolean {
        const thread = event.isRelation(RelationType.Thread) ? event.threadRootId : undefined;
        return thread === this.threadId;
    }
}
