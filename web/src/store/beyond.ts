import { Method } from "matrix-js-sdk";
import type { MatrixClient } from "matrix-js-sdk";
import type { LinkState } from "./link";
import { serverOf } from "./names";
import type { RoomSummary } from "./rooms";
import { Subscriptions } from "./subscriptions";
import { Value } from "./value";

const feature = "org.freehold.reachability";
const prefix = { prefix: "/_matrix/client/unstable" };
const patience = 50_000; // milliseconds that the server is told to wait for news; proxies end what is silent for a minute
const closely = 10_000; // the same while somebody looks at the numbers, which are no news
const apart = 1000; // at least, between an answer and the next question
const spread = 2000; // within which apps ask that connect again at the same moment
const again = [5000, 15_000, 60_000, 300_000]; // after failures; the last one from then on
const unseen = 60_000; // a tab that was not looked at for so long does not ask
const lately = 7 * 86_400_000; // a server that is silent for longer is no news
const crowd = 100; // limit: members of a room that says which of its servers are silent | 100 | in a larger one some always are

/** How it stands with another server. silent: it was reached before, and is not now; healing: it is told what it has missed. */
export type Standing = "reached" | "silent" | "healing" | "unknown";

export interface OtherServer {
    name: string;
    standing: Standing;
    since: number; // when it fell silent; 0 while it has not
    last: number; // when it was last heard of; 0 for never
    waiting: { events: number; rooms: number; messages: number } | undefined;
    healing: { left: number; of: number } | undefined; // rooms
}

/** On which side of a cut the person's server is, as it says itself. */
export interface Side {
    at: number; // when it said so
    outside: { is: "reached" | "cutOff" | "unknown"; since: number; last: number; rehearsal: boolean };
    servers: OtherServer[]; // of the person's rooms; those first that are not reached
    more: number; // that are not listed
}

/** What is worth a line wherever the person is. */
export type Line =
    | { is: "cutOff" | "rehearsal"; since: number }
    | { is: "alone"; servers: number; since: number } // every other server is silent
    | { is: "silent"; servers: string[]; since: number }
    | { is: "healing"; server: string };

/** Follows on which side of a cut the server is, by one waiting request; nothing is asked of a server that does not tell. */
export class Beyond {
    readonly side = new Value<Side | undefined>(undefined); // undefined until the server has told, or for ever
    readonly tells = new Value<boolean | undefined>(undefined); // whether the server is one that tells
    readonly #subscriptions = new Subscriptions();
    #version = "";
    #watchers = 0;
    #failures = 0;
    #idle = false; // nobody has looked at the tab for long
    #closed = false;
    #asking: AbortController | undefined;
    #next: ReturnType<typeof setTimeout> | undefined;
    #hiding: ReturnType<typeof setTimeout> | undefined;

    constructor(
        readonly client: MatrixClient,
        readonly link: Value<LinkState>,
    ) {
        const looked = (): void => {
            clearTimeout(this.#hiding);
            if (document.visibilityState === "visible") this.#idle = false;
            else this.#hiding = setTimeout(() => {
                this.#idle = true;
                this.#turn();
            }, unseen);
            this.#turn();
        };
        document.addEventListener("visibilitychange", looked);
        this.#subscriptions.add(() => document.removeEventListener("visibilitychange", looked));
        this.#subscriptions.add(link.subscribe(() => this.#turn()));
    }

    async start(): Promise<void> {
        this.tells.set(await this.client.doesServerSupportUnstableFeature(feature).catch(() => false));
        this.#turn();
    }

    close(): void {
        this.#closed = true;
        this.#turn();
        clearTimeout(this.#hiding);
        this.#subscriptions.end();
    }

    /** Follows the numbers too, while somebody looks at them; gives what ends that. */
    watch(): () => void {
        this.#watchers++;
        this.#version = ""; // an answer at once
        this.#stop();
        this.#turn(0);
        return () => {
            this.#watchers--;
        };
    }

    /** The servers of the people in a room, in which few enough are to be told of them. */
    async serversIn(roomId: string): Promise<ReadonlySet<string>> {
        const room = this.client.getRoom(roomId);
        if (!room || room.getJoinedMemberCount() > crowd) return new Set();
        await room.loadMembersIfNeeded().catch(() => undefined); // those that are known will do
        return new Set(room.getMembers().filter((member) => member.membership === "join" || member.membership === "invite").map((member) => serverOf(member.userId)));
    }

    /** Asks, or does not, as it is now. */
    #turn(wait = Math.random() * spread): void {
        if (this.#closed || !this.tells.get() || this.#idle || this.link.get().is !== "up") this.#stop();
        else if (!this.#asking && this.#next === undefined) this.#plan(wait);
    }

    #stop(): void {
        clearTimeout(this.#next);
        this.#next = undefined;
        this.#asking?.abort();
        this.#asking = undefined;
    }

    #plan(wait: number): void {
        this.#next = setTimeout(() => {
            this.#next = undefined;
            void this.#ask();
        }, wait);
    }

    async #ask(): Promise<void> {
        const asking = new AbortController();
        this.#asking = asking;
        const began = Date.now();
        const timeout = this.#watchers > 0 ? closely : patience;
        let failed = false;
        try {
            const answer = await this.client.http.authedRequest<Answer>(
                Method.Get, `/${feature}`, { since: this.#version, timeout: String(timeout) }, undefined, { ...prefix, abortSignal: asking.signal },
            );
            if (asking.signal.aborted) return;
            this.side.set(sideOf(answer));
            failed = answer.version === this.#version && Date.now() - began < timeout / 2; // it does not wait: it would be asked all the while
            this.#version = answer.version;
        } catch (error) {
            if (asking.signal.aborted) return;
            console.warn("the server did not tell on which side it is", error);
            failed = true;
        }
        this.#asking = undefined;
        this.#failures = failed ? this.#failures + 1 : 0;
        this.#plan(failed ? again[Math.min(this.#failures, again.length) - 1]! : apart);
    }
}

/** What the server says: docs/standing-alone.md. What it leaves out is none, or never. */
export interface Answer {
    version: string;
    outside: { state: string; since_ts?: number; last_contact_ts?: number; rehearsal?: boolean };
    servers: {
        server_name: string; state: string; since_ts?: number; last_contact_ts?: number;
        waiting?: { events: number; rooms: number; messages: number }; healing?: { rooms_left: number; rooms: number };
    }[];
    more?: number;
}

const standings: Record<string, Standing> = { reached: "reached", silent: "silent", healing: "healing" };

export function sideOf({ outside, servers, more = 0 }: Answer, at = Date.now()): Side {
    return {
        at,
        outside: {
            is: outside.state === "cut_off" ? "cutOff" : outside.state === "reached" ? "reached" : "unknown",
            since: outside.since_ts ?? 0, last: outside.last_contact_ts ?? 0, rehearsal: outside.rehearsal ?? false,
        },
        servers: servers.map((server) => ({
            name: server.server_name, standing: standings[server.state] ?? "unknown", since: server.since_ts ?? 0, last: server.last_contact_ts ?? 0,
            waiting: server.waiting, healing: server.healing && { left: server.healing.rooms_left, of: server.healing.rooms },
        })),
        more,
    };
}

/**
 * The servers of those with whom the person talks alone: that one of them is silent is felt. Of groups their rooms say it, as does the
 * conversation that is open.
 */
export function nearOf(rooms: RoomSummary[], open: string | undefined): ReadonlySet<string> {
    const near = new Set(rooms.flatMap((room) => (room.direct && !room.invited && !room.archived ? [serverOf(room.other)] : [])));
    near.delete(serverOf(rooms.find((room) => room.id === open)?.other ?? ""));
    return near;
}

/** What is worth a line wherever the person is: that nobody else is reached, or a server near them that has fallen silent of late. */
export function lineOf({ at, outside, servers, more }: Side, near: ReadonlySet<string>): Line | undefined {
    if (outside.is === "cutOff") return { is: outside.rehearsal ? "rehearsal" : "cutOff", since: outside.since };
    const met = servers.filter((server) => server.standing !== "unknown");
    const silent = servers.filter((server) => server.standing === "silent" && at - server.since < lately);
    const last = Math.max(...silent.map((server) => server.since));
    if (silent.length > 1 && silent.length === met.length && more === 0) return { is: "alone", servers: silent.length, since: last };
    const missed = silent.filter((server) => near.has(server.name));
    if (missed.length > 0) return { is: "silent", servers: missed.map((server) => server.name), since: Math.min(...missed.map((server) => server.since)) };
    const healing = servers.find((server) => server.standing === "healing" && near.has(server.name));
    return healing && { is: "healing", server: healing.name };
}

/** The silent servers among those of a room. */
export const silentAmong = (side: Side | undefined, here: ReadonlySet<string>): OtherServer[] =>
    side?.servers.filter((server) => server.standing === "silent" && here.has(server.name)) ?? [];
