/** A message as it can be found. */
export interface Entry {
    id: string;
    room: string;
    thread: string; // the message that began the thread; "": none
    at: number;
    sender: string;
    text: string;
    edited: number; // when it was changed last; 0: never
}

/** What has happened to the entries, one after another: a message that can be found, or one that cannot be any more. */
export type Change = Entry | { gone: string };

/** Messages that can be found, up to a number of them; beyond it the oldest are forgotten. */
export class Book {
    readonly #entries = new Map<string, Entry>();
    readonly #plain = new Map<string, string>(); // texts as they are compared

    constructor(readonly most: number) {}

    get size(): number {
        return this.#entries.size;
    }

    all(): Entry[] {
        return [...this.#entries.values()];
    }

    /** Takes a change; false when it says nothing new. */
    take(change: Change): boolean {
        if ("gone" in change) {
            this.#plain.delete(change.gone);
            return this.#entries.delete(change.gone);
        }
        const known = this.#entries.get(change.id);
        if (known && (known.edited > change.edited || known.text === change.text)) return false;
        // An edit may come before what it changes: then that gives its time and place, and the edit its text.
        this.#put(known && change.edited > 0 ? { ...known, text: change.text, edited: change.edited } : change);
        return true;
    }

    #put(entry: Entry): void {
        this.#entries.set(entry.id, entry);
        this.#plain.set(entry.id, plain(entry.text));
        if (this.#entries.size <= this.most) return;
        const oldest = this.all().sort((a, b) => a.at - b.at).slice(0, Math.ceil(this.most / 20)); // some at once, as it is not cheap
        for (const { id } of oldest) this.take({ gone: id });
    }

    /** Messages that have every word of a question in them, the newest first. */
    find(question: string, room: string | undefined, limit: number): Entry[] {
        const words = plain(question).split(/\s+/).filter(Boolean);
        if (words.length === 0) return [];
        const found = this.all().filter((entry) => (room === undefined || entry.room === room) && words.every((word) => this.#plain.get(entry.id)!.includes(word)));
        return found.sort((a, b) => b.at - a.at).slice(0, limit);
    }

    ofRoom(room: string): string[] {
        return this.all().flatMap((entry) => (entry.room === room ? [entry.id] : []));
    }
}

/** Text as it is compared: small letters, without what is written one way or another. */
export const plain = (text: string): string => text.normalize("NFKD").replace(/\p{Mn}/gu, "").toLocaleLowerCase();
