import type { RoomSummary, SpaceSummary } from "./rooms";
import { Subscriptions } from "./subscriptions";
import { Value } from "./value";
import { Vault } from "./vault";

const soonest = 2000; // milliseconds after a change at which it is written down
const share = 50; // all of it is written anew each time: of so much time, one part at most
const most = 2000; // limit: conversations that are shown while the app is still opening | 2,000 | the others come when it has opened
const build = import.meta.url; // named after what is in it: what another version of the app has written is not read

/** The conversations, and the spaces that gather them, as a list shows them. */
export interface Lists {
    readonly all: Value<RoomSummary[]>;
    readonly spaces: Value<SpaceSummary[]>;
}

interface Page {
    build: string;
    rooms: RoomSummary[];
    spaces: (Omit<SpaceSummary, "rooms"> & { rooms: string[] })[];
}

interface Owner {
    user: string;
    device: string;
}

const vaultOf = ({ user, device }: Owner): Vault => new Vault(`freehold-glance:${user}:${device}`);

/** The list as it was shown last, to be looked at until the SDK has read what it needs; undefined when there is none. */
export async function readGlance(owner: Owner): Promise<Lists | undefined> {
    const vault = vaultOf(owner);
    try {
        const [page] = (await vault.read()) as Page[];
        if (page?.build !== build || page.rooms.length === 0) return undefined;
        return { all: new Value(page.rooms), spaces: new Value(page.spaces.map((space) => ({ ...space, rooms: new Set(space.rooms) }))) };
    } catch {
        return undefined;
    } finally {
        void vault.close();
    }
}

/** Keeps the list for the next time. It has the beginnings of encrypted messages in it: it lies in a vault. */
export class Glance {
    readonly #vault: Vault;
    readonly #lists: Lists;
    readonly #subscriptions = new Subscriptions();
    #timer: ReturnType<typeof setTimeout> | undefined;
    #earliest = 0;
    #closed = false;

    constructor(owner: Owner, lists: Lists) {
        this.#vault = vaultOf(owner);
        this.#lists = lists;
        for (const list of [lists.all, lists.spaces]) this.#subscriptions.add(list.subscribe(() => this.#later()));
    }

    close(): void {
        this.#closed = true;
        clearTimeout(this.#timer);
        this.#subscriptions.end();
        void this.#vault.close();
    }

    #later(): void {
        this.#timer ??= setTimeout(() => void this.write(), Math.max(soonest, this.#earliest - Date.now()));
    }

    async write(): Promise<void> {
        clearTimeout(this.#timer);
        const began = performance.now();
        const all = this.#lists.all.get();
        const spaces = this.#lists.spaces.get();
        const page: Page = {
            build,
            rooms: all.slice(0, most).map((room) => ({ ...room, typing: [] })),
            spaces: spaces.map((space) => ({ ...space, rooms: [...space.rooms] })),
        };
        try {
            await this.#vault.replace([page]);
        } catch (error) {
            console.warn("the list is not kept for the next time", error); // the disk is full, say
        }
        this.#earliest = Date.now() + (performance.now() - began) * share;
        this.#timer = undefined;
        if (!this.#closed && (this.#lists.all.get() !== all || this.#lists.spaces.get() !== spaces)) this.#later(); // they changed meanwhile
    }
}
