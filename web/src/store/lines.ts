import type { MatrixClient, MatrixEvent, Room, Thread } from "matrix-js-sdk";
import { directRooms } from "./direct";
import type { Gist } from "./gist";
import { itemsOf } from "./items";
import type { Item, Reader } from "./items";
import { firstUnread, readingOf, readUpTo } from "./receipts";
import type { Sources } from "./sources";

/** Makes the lines of a conversation from its events, and knows what of them is new to the person. */
export class Lines {
    #items = new Map<string, Item>();
    #marker: string | null = null; // up to where it was read when the person came; null: there was nothing new
    #arrived = true; // the person has come, and it is not known yet what is new to them

    constructor(
        readonly client: MatrixClient,
        readonly room: Room,
        readonly sources: Sources,
        readonly threadId: string | undefined,
    ) {}

    /** The person comes to look: what is new to them is marked until they come the next time. */
    arrive(): void {
        this.#arrived = true;
    }

    /** The lines of events, and how many messages of others the person has not read; undefined when there is no such thread yet. */
    of(events: MatrixEvent[]): { items: Item[]; unread: number } | undefined {
        const book = this.#book;
        if (!book) return undefined;
        const own = this.client.getSafeUserId();
        const { sources, at } = this.sources.of(events, (gist) => this.#isPlain(gist));
        const { readers, read } = readingOf(events, sources, at, book, own, (user) => this.room.getMember(user)?.name ?? user);
        const unseen = firstUnread(events, sources, at, this.readUpTo());
        if (this.#arrived) this.#marker = unseen < 0 ? null : this.readUpTo();
        this.#arrived = false;
        const unreadFrom = firstUnread(events, sources, at, this.#marker);
        const items = itemsOf(sources, { readers: this.#isDirect ? new Map<number, Reader[]>() : readers, read, unreadFrom }, this.#items);
        this.#items = new Map(items.map((item) => [item.key, item]));
        return { items, unread: unseen < 0 ? 0 : sources.slice(unseen).filter((source) => !source.mine && source.gist.is !== "news").length };
    }

    /** Up to where the person has read. */
    readUpTo(): string | null {
        return this.#book ? readUpTo(this.#book, this.client.getSafeUserId()) : null;
    }

    get #book(): Room | Thread | undefined {
        return this.threadId ? (this.room.getThread(this.threadId) ?? undefined) : this.room;
    }

    /** What needs no saying: that its maker is in a room, and in a conversation of two, who they are. */
    #isPlain(gist: Gist): boolean {
        if (gist.is !== "news") return false;
        if (gist.what === "joined" && gist.whom === this.room.getCreator()) return true;
        return this.#isDirect && ["created", "joined", "invited"].includes(gist.what);
    }

    get #isDirect(): boolean {
        return directRooms(this.client).has(this.room.roomId);
    }
}
