import type { Gist } from "./gist";
import type { PollState } from "./polls";

/** One line of a conversation. */
export type Item =
    | { is: "day"; key: string; at: number }
    | { is: "unread"; key: string }
    | { is: "news"; key: string; at: number; who: string; whom: string; mine: boolean; gist: Extract<Gist, { is: "news" }>; readers: Reader[] }
    | Message;

/** How far an own message has come. */
export type Progress = "waiting" | "sending" | "failed" | "sent" | "read";

/** What a reply answers. */
export interface Quote {
    id: string;
    sender: string;
    name: string;
    mine: boolean;
    gist: Gist | undefined; // not known yet
}

export interface Reaction {
    key: string;
    count: number;
    mine: string | undefined; // the person's own, to be taken back
    who: string[]; // names
}

export interface ThreadSummary {
    count: number;
    unread: number;
    last: { who: string; mine: boolean; gist: Gist } | undefined;
}

/** Who has read up to here. */
export interface Reader {
    id: string;
    name: string;
}

/** What an item is made of; made from an event of the SDK. */
export interface Source {
    key: string; // the same while an event gets its id
    id: string;
    at: number;
    sender: string;
    name: string;
    whom: string; // name of whom it is about, for news
    mine: boolean;
    gist: Gist;
    edited: boolean;
    way: "waiting" | "sending" | "failed" | "there"; // of an own message to the server
    reply: Quote | undefined;
    reactions: Reaction[];
    thread: ThreadSummary | undefined;
    poll: PollState | undefined;
    mentioned: boolean; // the person, by name or with all others
}

export interface Message extends Source {
    is: "message";
    progress: Progress | undefined; // of own messages
    readers: Reader[];
    first: boolean; // of several by one person in a row
    last: boolean;
}

/** What is known of a conversation beside its events. */
export interface Around {
    readers: Map<number, Reader[]>; // by the place of the source
    read: number; // place of the newest source that somebody else has read; -1: none
    unreadFrom: number; // place of the first source that was not read when the person came; -1: none
}

export const nothingAround: Around = { readers: new Map(), read: -1, unreadFrom: -1 };

const together = 5 * 60_000; // messages of one person within this time are shown as one group
const atFirst = 10_000; // milliseconds from when a conversation was made within which it got its first name
const nobody: Reader[] = [];

/** Puts days between messages and groups them. Items that are as they were before stay the same objects. */
export function itemsOf(sources: Source[], around: Around, before: ReadonlyMap<string, Item>): Item[] {
    const items: Item[] = [];
    const put = (item: Item): void => {
        const old = before.get(item.key);
        items.push(old && same(old, item) ? old : item);
    };
    let day = "";
    let made: Source | undefined; // the beginning of the conversation, when it is here
    for (const [i, source] of sources.entries()) {
        const today = dayOf(source.at);
        if (today !== day) put({ is: "day", key: `day ${today}`, at: source.at });
        day = today;
        if (i === around.unreadFrom) put({ is: "unread", key: "unread" });
        const readers = around.readers.get(i) ?? nobody;
        if (source.gist.is === "news") {
            const { key, at, name, whom, mine, gist } = source;
            if (gist.what === "created") made = source;
            if (gist.what === "named" && made?.sender === source.sender && at - made.at < atFirst && readers.length === 0) continue; // it stands above
            const last = items.at(-1);
            if (last?.is === "news" && alike(last, source)) {
                items.pop();
                put({ ...last, whom: `${last.whom}, ${whom}`, readers: [...last.readers, ...readers] });
            } else put({ is: "news", key, at, who: name, whom, mine, gist, readers });
            continue;
        }
        put({
            ...source, is: "message", readers,
            progress: !source.mine ? undefined : source.way !== "there" ? source.way : i <= around.read ? "read" : "sent",
            first: i === around.unreadFrom || !follows(sources[i - 1], source),
            last: i + 1 === around.unreadFrom || !follows(source, sources[i + 1]),
        });
    }
    return items;
}

/** Whether the same has happened to somebody else: one line says it of all. */
function alike(a: Extract<Item, { is: "news" }>, b: Source): boolean {
    if (b.gist.is !== "news" || a.gist.what !== b.gist.what) return false;
    if (b.gist.what === "invited") return a.who === b.name && a.mine === b.mine;
    return (b.gist.what === "joined" || b.gist.what === "left") && !a.mine && !b.mine;
}

/** Whether b is shown as one group with a. */
function follows(a: Source | undefined, b: Source | undefined): boolean {
    return (
        a !== undefined && b !== undefined && a.gist.is !== "news" && b.gist.is !== "news" &&
        a.sender === b.sender && b.at - a.at < together && dayOf(a.at) === dayOf(b.at)
    );
}

let known = { from: 0, to: 0, day: "" }; // the day asked for last: most messages are of the same one

/** The day in the time zone of the person, as something to compare. */
function dayOf(at: number): string {
    if (at >= known.from && at < known.to) return known.day;
    const date = new Date(at);
    const day = `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()}`;
    known = { from: date.setHours(0, 0, 0, 0), to: date.setDate(date.getDate() + 1), day };
    return day;
}

/** Field by field: what a source holds is replaced when it changes; readers are compared by what they say. */
function same(a: Item, b: Item): boolean {
    const left = a as unknown as Record<string, unknown>;
    const right = b as unknown as Record<string, unknown>;
    return Object.keys(right).every((key) => left[key] === right[key] || (key === "readers" && sameReaders(left[key] as Reader[], right[key] as Reader[])));
}

const sameReaders = (a: Reader[], b: Reader[]): boolean => a.length === b.length && a.every((reader, i) => reader.id === b[i]!.id && reader.name === b[i]!.name);
