import { EventType, MatrixEventEvent, RelationType, RoomEvent } from "matrix-js-sdk";
import type { MatrixClient, MatrixEvent, Room } from "matrix-js-sdk";
import { gistOf } from "../gist";
import { htmlOf, plainOf, plainText } from "../plain";
import { soon } from "../soon";
import { Subscriptions } from "../subscriptions";
import { Book } from "./book";
import type { Change, Entry } from "./book";
import { Vault } from "../vault";

const most = 50_000; // limit: encrypted messages that can be found | 50,000 | the oldest are forgotten
const longest = 4000; // limit: characters of a message by which it is found | 4,000
const perPage = 500; // entries in a page, when they are put together
const manyPages = 60; // after which they are put together
const writeAfter = 2000; // milliseconds for which changes are gathered

/** Remembers what encrypted messages say as they are decrypted, so that they can be found; the server cannot do that. */
export class Indexing {
    readonly #book = new Book(most);
    readonly #vault: Vault;
    readonly #subscriptions = new Subscriptions();
    readonly #loaded: Promise<void>;
    readonly #write = soon(() => void this.#flush(), writeAfter);
    #pending: Change[] = [];
    #pages = 0;
    #erase = false; // something that must not stay on the disk is there

    constructor(
        readonly client: MatrixClient,
        name: string,
    ) {
        this.#vault = new Vault(name);
        this.#loaded = this.#load();
        const take = (event: MatrixEvent): void => this.#take(event);
        const s = this.#subscriptions;
        s.on(client, MatrixEventEvent.Decrypted, take);
        s.on(client, RoomEvent.Timeline, take);
        s.on(client, RoomEvent.LocalEchoUpdated, take);
        s.on(client, RoomEvent.Redaction, (event: MatrixEvent) => {
            const id = event.getAssociatedId();
            if (id) this.#change({ gone: id });
        });
        s.on(client, RoomEvent.MyMembership, (room: Room, membership: string) => {
            if (membership === "leave" || membership === "ban") void this.#forget(room.roomId);
        });
    }

    close(): void {
        this.#subscriptions.end();
        void this.#flush().then(() => this.#vault.close());
    }

    /** Messages that have every word of the question in them, the newest first. */
    async find(question: string, room: string | undefined, limit: number): Promise<Entry[]> {
        await this.#loaded;
        return this.#book.find(question, room, limit);
    }

    async #load(): Promise<void> {
        const pages = (await this.#vault.read().catch(() => [])) as Change[][];
        for (const change of pages.flat()) this.#book.take(change);
        this.#pages = pages.length;
        if (this.#pages > manyPages) await this.#compact();
    }

    #take(event: MatrixEvent): void {
        if (!event.isEncrypted() || event.isBeingDecrypted() || event.isDecryptionFailure() || event.isRedacted() || event.isState()) return;
        const id = event.getId();
        if (!id?.startsWith("$")) return; // it has no id from the server yet
        const edited = event.isRelation(RelationType.Replace) ? event.getRelation()?.event_id : undefined;
        const text = edited ? newText(event) : textOf(event);
        if (!text) return;
        this.#change({
            id: edited ?? id, room: event.getRoomId()!, thread: event.threadRootId && event.threadRootId !== id ? event.threadRootId : "",
            at: event.getTs(), sender: event.getSender()!, text: text.slice(0, longest), edited: edited ? event.getTs() : 0,
        });
    }

    #change(change: Change): void {
        void this.#loaded.then(() => {
            if (!this.#book.take(change)) return;
            if ("gone" in change) this.#erase = true;
            this.#pending.push(change);
            this.#write();
        });
    }

    async #forget(room: string): Promise<void> {
        await this.#loaded;
        for (const id of this.#book.ofRoom(room)) this.#change({ gone: id });
    }

    async #flush(): Promise<void> {
        const changes = this.#pending.splice(0);
        if (changes.length === 0) return;
        try {
            if (this.#erase || this.#pages > manyPages) {
                await this.#compact();
                return;
            }
            this.#pages++;
            await this.#vault.append(changes);
        } catch (error) {
            console.warn("what can be found is not kept", error); // the disk is full, say: it is found until the page is closed
        }
    }

    /** Writes what there is anew, in few pages: what is gone is gone from the disk too. */
    async #compact(): Promise<void> {
        this.#erase = false;
        const all = this.#book.all();
        const pages = Array.from({ length: Math.ceil(all.length / perPage) }, (_, i) => all.slice(i * perPage, (i + 1) * perPage));
        this.#pages = pages.length;
        await this.#vault.replace(pages);
    }
}

function textOf(event: MatrixEvent): string {
    const gist = gistOf(event);
    switch (gist?.is) {
        case "text":
            return plainOf(gist);
        case "poll":
            return gist.question;
        case "file":
            return [gist.name, plainText(gist.html ?? "", gist.caption)].filter(Boolean).join("\n");
        default:
            return "";
    }
}

function newText(event: MatrixEvent): string {
    const fresh = event.getContent()["m.new_content"] as Record<string, unknown> | undefined;
    return event.getType() === (EventType.RoomMessage as string) && typeof fresh?.body === "string" ? plainText(htmlOf(fresh), fresh.body) : "";
}
