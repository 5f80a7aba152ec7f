import { ClientEvent } from "matrix-js-sdk";
import type { MatrixClient, MatrixEvent } from "matrix-js-sdk";
import { Subscriptions } from "./subscriptions";
import { Value } from "./value";

const type = "m.recent_emoji"; // https://spec.matrix.org/v1.18/client-server-api/#recently-used-emoji
const most = 100; // entries that are kept, as the specification has it
const usual = ["👍", "❤️", "😂", "🎉", "😮", "😢", "🙏"]; // until the person has favourites

interface Used {
    emoji: string;
    total: number;
}

/** The emoji that this person uses, on all their devices. */
export class EmojiUse {
    /** The most used of the newest first; filled up with usual ones. */
    readonly recent = new Value<string[]>(usual);
    readonly #subscriptions = new Subscriptions();

    constructor(readonly client: MatrixClient) {
        this.#subscriptions.on(client, ClientEvent.AccountData, (event: MatrixEvent) => {
            if (event.getType() === type) this.#read();
        });
        this.#read();
    }

    close(): void {
        this.#subscriptions.end();
    }

    get #used(): unknown[] {
        const { recent_emoji: list }: { recent_emoji?: unknown } = this.client.getAccountData(type as never)?.getContent() ?? {};
        return Array.isArray(list) ? (list as unknown[]) : [];
    }

    #read(): void {
        const used = this.#used.filter(isUsed).slice(0, 24).sort((a, b) => b.total - a.total).map(({ emoji }) => emoji);
        this.recent.set([...new Set([...used, ...usual])]);
    }

    /** An emoji has been used, in a message or as a reaction. */
    use(emoji: string): void {
        const others = this.#used.filter((entry) => !isUsed(entry) || entry.emoji !== emoji); // what is not understood stays
        const before = this.#used.find((entry) => isUsed(entry) && entry.emoji === emoji) as Used | undefined;
        const next = [{ emoji, total: (before?.total ?? 0) + 1 }, ...others].slice(0, most);
        void this.client.setAccountData(type as never, { recent_emoji: next } as never).catch(() => undefined);
    }
}

const isUsed = (entry: unknown): entry is Used =>
    typeof entry === "object" && entry !== null && typeof (entry as Used).emoji === "string" && (entry as Used).emoji.length <= 40 && typeof (entry as Used).total === "number" && (entry as Used).total >= 0;
