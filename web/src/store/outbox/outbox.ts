import { ClientEvent, EventStatus, RoomEvent, SyncState } from "matrix-js-sdk";
import type { MatrixClient, MatrixEvent, Room, SyncStateData } from "matrix-js-sdk";
import { Subscriptions } from "../subscriptions";
import { Value } from "../value";
import { isAbout, localId, pointTo, verdictOf } from "./outgoing";
import type { Failure, Outgoing, Upload } from "./outgoing";
import type { Place } from "./place";
import { Uploading } from "./uploading";
import type { Uploader } from "./uploading";

const firstWait = 2000; // milliseconds after a failed attempt; then twice as long each time
const longestWait = 60_000;

export type OutgoingState = { at: "waiting" | "sending" } | { at: "failed"; why: Failure };

export interface Draft {
    type: string;
    content: Record<string, unknown>;
    redacts?: string;
    uploads?: Pick<Upload, "part" | "blob" | "name">[];
}

/**
 * Everything that is sent into a room goes through here: messages, edits, reactions, deletions, files. It lies in the browser
 * until the server has it, over reloads and for as long as the server is away; it is sent in the order of each room, once: the
 * server knows its transaction id. It can be seen at once, as the SDK's pending event, so that edits and reactions apply too.
 *
 *     outbox.add(room, { type: "m.room.message", content: { msgtype: "m.text", body } })
 *     outbox.add(room, { type: "m.reaction", content: { "m.relates_to": { rel_type: "m.annotation", event_id, key } } })
 *     outbox.add(room, { type: "m.room.redaction", content: {}, redacts: event_id })
 *     outbox.add(room, { type: "m.room.message", content: { msgtype: "m.image", body, info }, uploads: [{ part: "file", blob, name }] })
 *
 * event_id may be one of a message that waits itself (~...). Never use the client's own sendEvent: it would not wait its turn.
 */
export class Outbox {
    /** How it stands with each that is not sent yet, by transaction id, which is Item.key. */
    readonly state = new Value<ReadonlyMap<string, OutgoingState>>(new Map());
    readonly uploading: Uploading;
    readonly #subscriptions = new Subscriptions();
    readonly #queue: Outgoing[] = [];
    readonly #echoes = new Map<string, MatrixEvent>(); // by transaction id
    readonly #busy = new Set<string>(); // rooms that are being worked on
    readonly #wake = new Set<() => void>();
    readonly #unseen = new Map<MatrixEvent, number>(); // sent, and not come back so far: through how many answers of /sync
    #open = false; // the server answers, and what it knows is known here
    #closed = false;
    #last = 0;

    constructor(
        readonly client: MatrixClient,
        readonly place: Place,
        upload: Uploader,
    ) {
        this.uploading = new Uploading(upload, (message) => this.#keep(message));
        const s = this.#subscriptions;
        s.on(client, ClientEvent.Sync, (state: SyncState, _before: SyncState | null, data?: SyncStateData) => {
            const before = this.#open;
            this.#open = state === SyncState.Syncing || (state === SyncState.Prepared && !data?.fromCache);
            if (!this.#open) return;
            if (!before) for (const wake of [...this.#wake]) wake();
            for (const { room } of this.#queue) void this.#work(room);
            this.#letGo();
        });
        s.on(client, ClientEvent.Room, (room: Room) => this.#show(room));
        s.on(client, RoomEvent.LocalEchoUpdated, (event: MatrixEvent) => {
            const message = event.status === null && this.#queue.find(({ txn }) => txn === event.getTxnId());
            if (message) this.#sent(message, event.getId()!); // it came back before the answer did
        });
    }

    /** Takes up what was not sent before the page was loaded. */
    async start(): Promise<void> {
        const kept = (await this.place.all().catch(() => [])).sort((a, b) => a.order - b.order);
        this.#queue.unshift(...kept);
        this.#last = Math.max(this.#last, ...kept.map(({ order }) => order));
        for (const room of this.client.getRooms()) this.#show(room);
        this.#tell();
        for (const { room } of kept) void this.#work(room);
    }

    close(): void {
        this.#closed = true;
        this.#queue.length = 0;
        this.#subscriptions.end();
        this.uploading.stopAll();
        for (const wake of [...this.#wake]) wake();
        this.place.close();
    }

    /** Sends something. It is seen at once; kept resolves when it would survive a reload, and never fails. */
    add(room: string, { type, content, redacts, uploads = [] }: Draft): { txn: string; kept: Promise<void> } {
        const message: Outgoing = {
            order: ++this.#last,
            txn: newTxn(),
            room,
            type,
            content: structuredClone(content),
            ...(redacts && { redacts }),
            uploads: uploads.map((upload) => ({ ...upload })),
            at: Date.now(),
        };
        this.#queue.push(message);
        const known = this.client.getRoom(room);
        if (known) this.#show(known);
        this.#tell();
        const kept = this.#keep(message);
        void kept.then(() => this.#work(room));
        return { txn: message.txn, kept };
    }

    /** Tries again what the server has refused. */
    retry(txn: string): void {
        const message = this.#find(txn);
        if (!message?.failed) return;
        delete message.failed;
        this.#tell();
        void this.#keep(message);
        void this.#work(message.room);
    }

    /** Lets go of something that is not sent yet, and of what is about it; false when it is too late. */
    cancel(txn: string): boolean {
        const message = this.#find(txn);
        const echo = this.#echoes.get(txn);
        if (!message || (echo && !isIdle(echo))) return false;
        this.uploading.stop(txn);
        this.#forget(message);
        if (echo) this.client.cancelPendingEvent(echo);
        for (const other of this.#queue.filter((other) => isAbout(other, localId(message)))) this.cancel(other.txn);
        return true;
    }

    /** A file of a message that is not sent yet, to be shown. */
    blob(txn: string, part: Upload["part"] = "file"): Blob | undefined {
        return this.#find(txn)?.uploads.find((upload) => upload.part === part)?.blob;
    }

    #find(txn: string): Outgoing | undefined {
        return this.#queue.find((message) => message.txn === txn);
    }

    async #keep(message: Outgoing): Promise<void> {
        try {
            await this.place.put(message);
        } catch (error) {
            console.warn("a message is kept in this page only", error);
        }
    }

    #tell(): void {
        this.state.set(new Map(this.#queue.map((message) => [
            message.txn,
            message.failed ? { at: "failed", why: message.failed } : { at: this.#isSending(message) ? "sending" : "waiting" },
        ])));
    }

    #isSending(message: Outgoing): boolean {
        const echo = this.#echoes.get(message.txn);
        return this.uploading.isGoing(message.txn) || (echo !== undefined && !isIdle(echo));
    }

    /** Makes what waits visible in its room, unless it has come back already. */
    #show(room: Room): void {
        for (const message of this.#queue.filter(({ room: id, txn }) => id === room.roomId && !this.#echoes.has(txn))) {
            if (room.getEventForTxnId(message.txn)) continue;
            const { txn, type, content, redacts, at } = message;
            const sender = this.client.getSafeUserId();
            const echo = this.client.getEventMapper({ decrypt: false })({
                event_id: localId(message), room_id: room.roomId, sender, type, content, origin_server_ts: at, ...(redacts && { redacts }),
            });
            echo.setTxnId(txn);
            echo.setStatus(EventStatus.NOT_SENT);
            this.#echoes.set(txn, echo);
            room.addPendingEvent(echo, txn);
        }
    }

    /** Sends what waits in a room, one after the other. */
    async #work(roomId: string): Promise<void> {
        if (this.#busy.has(roomId)) return;
        this.#busy.add(roomId);
        try {
            for (let attempts = 0; !this.#closed; ) {
                const message = this.#next(roomId);
                const room = this.client.getRoom(roomId);
                if (!message || !room) return;
                if (!this.#open) {
                    await this.#sleep();
                    continue;
                }
                try {
                    await this.#send(message, room);
                    attempts = 0;
                } catch (error) {
                    if (!this.#find(message.txn)) continue; // ended or cancelled meanwhile
                    const verdict = verdictOf(error, ++attempts);
                    if (verdict.is === "ended") return;
                    if (verdict.is === "failed") {
                        message.failed = verdict.why;
                        attempts = 0;
                        await this.#keep(message);
                    }
                    this.#tell();
                    if (verdict.is === "later") await this.#sleep(verdict.after ?? Math.min(firstWait * 2 ** (attempts - 1), longestWait));
                }
            }
        } finally {
            this.#busy.delete(roomId);
        }
    }

    /** The next to be sent: the first that the server has not refused, and that is about nothing it has not got. */
    #next(roomId: string): Outgoing | undefined {
        const waiting = this.#queue.filter(({ room }) => room === roomId);
        return waiting.find((message) => !message.failed && !waiting.some((other) => isAbout(message, localId(other))));
    }

    async #send(message: Outgoing, room: Room): Promise<void> {
        const echo = this.#echoes.get(message.txn);
        const arrived = room.getLiveTimeline().getEvents().findLast((event) => event.getUnsigned().transaction_id === message.txn);
        if (arrived) {
            if (echo?.status) this.client.cancelPendingEvent(echo);
            this.#sent(message, arrived.getId()!);
            return;
        }
        if (!echo) throw new Error("bug: nothing to send");
        await this.uploading.all(message, room.hasEncryptionStateEvent(), () => this.#tell());
        const sending = this.client.resendEvent(echo, room);
        this.#tell();
        const { event_id } = await sending;
        if (echo.status) this.#unseen.set(echo, 0);
        this.#sent(message, event_id);
    }

    /**
     * What was sent comes back with the next answer of /sync. If the server had it before, from an attempt whose answer was lost, and
     * a gap was left where it is, it does not: then it is where it belongs, and not at the end.
     */
    #letGo(): void {
        for (const [echo, answers] of this.#unseen) {
            if (echo.status && answers < 3) {
                this.#unseen.set(echo, answers + 1);
                continue;
            }
            this.#unseen.delete(echo);
            const room = this.client.getRoom(echo.getRoomId());
            if (!echo.status || !room?.removePendingEvent(echo.getId()!)) continue;
            room.emit(RoomEvent.LocalEchoUpdated, echo, room);
        }
    }

    /** The server has it. */
    #sent(message: Outgoing, id: string): void {
        if (!this.#find(message.txn)) return;
        for (const other of this.#queue) {
            if (!isAbout(other, localId(message))) continue;
            pointTo(other, localId(message), id);
            this.#echoes.get(other.txn)?.updateAssociatedId(id);
            void this.#keep(other);
        }
        this.#forget(message);
    }

    #forget(message: Outgoing): void {
        this.#queue.splice(this.#queue.indexOf(message), 1);
        this.#echoes.delete(message.txn);
        this.uploading.forget(message.txn);
        this.#tell();
        void this.place.remove(message).catch(() => undefined); // it would be sent again, and the server would know it
    }

    /** Waits until the server answers again, or so many milliseconds. */
    #sleep(most?: number): Promise<void> {
        return new Promise((resolve) => {
            const done = (): void => {
                clearTimeout(timer);
                this.#wake.delete(done);
                resolve();
            };
            const timer = most === undefined ? undefined : setTimeout(done, most);
            this.#wake.add(done);
        });
    }
}

/** Whether the SDK is not at work on an event. */
const isIdle = (event: MatrixEvent): boolean => event.status === EventStatus.NOT_SENT;

function newTxn(): string {
    const random = crypto.getRandomValues(new Uint32Array(3));
    return `fh${Date.now().toString(36)}${[...random].map((word) => word.toString(36)).join("")}`;
}
