import { IndexedDBStore } from "matrix-js-sdk";
import type { ISyncResponse } from "matrix-js-sdk";

const soonest = 1000; // milliseconds after something new at which it is written down
const share = 50; // all of it is written anew each time: of so much time, one part at most
const latest = 10_000; // but not later than this

/** What the server has told, as this browser remembers it, at most seconds behind. */
export class Remembered extends IndexedDBStore {
    #timer: ReturnType<typeof setTimeout> | undefined;
    #earliest = 0;
    #saving: Promise<void> | undefined;
    #behind = false; // something has come that is not written yet

    static named(name: string): Remembered {
        const store = new Remembered({ indexedDB: globalThis.indexedDB, localStorage, dbName: name });
        const take = store.setSyncData;
        store.setSyncData = async (data: ISyncResponse) => {
            await take(data);
            if (!saysSomething(data)) return;
            store.#behind = true;
            store.#keepLater();
        };
        return store;
    }

    #keepLater(): void {
        if (this.#behind && !this.#saving) this.#timer ??= setTimeout(() => void this.keep(), Math.max(soonest, this.#earliest - Date.now()));
    }

    /** Writes down at once what has come: the page may go, or the server be gone. */
    async keep(): Promise<void> {
        while (this.#saving) await this.#saving; // which may have begun before the newest came
        clearTimeout(this.#timer);
        this.#timer = undefined;
        if (!this.#behind) return;
        this.#behind = false;
        const began = performance.now();
        this.#saving = this.save(true);
        try {
            await this.#saving;
        } finally {
            this.#saving = undefined;
            this.#earliest = Date.now() + Math.min(latest, (performance.now() - began) * share);
        }
        this.#keepLater();
    }

    close(): void {
        clearTimeout(this.#timer);
    }

    // What is not sent yet is the outbox's; the SDK would have it twice.
    override getPendingEvents(): Promise<[]> {
        return Promise.resolve([]);
    }

    override setPendingEvents(): Promise<void> {
        return Promise.resolve();
    }
}

/** Whether an answer has something to remember but its token. */
function saysSomething({ rooms, account_data }: Partial<ISyncResponse>): boolean {
    return !!account_data?.events.length || Object.values(rooms ?? {}).some((ofOneKind: object) => Object.keys(ofOneKind).length > 0);
}
