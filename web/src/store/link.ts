import { ClientEvent, SyncState } from "matrix-js-sdk";
import type { MatrixClient } from "matrix-js-sdk";
import { Subscriptions } from "./subscriptions";
import { Value } from "./value";

/** How the server is reached. silent: nothing comes back; failing: something does, but not from a server that works. */
export type LinkState = { is: "up" } | { is: "silent" | "failing"; since: number };

const place = "freehold.of.silent-since"; // over reloads
const abilities = "freehold.of.versions"; // what the server has said that it can do, over reloads
const slack = 10_000; // milliseconds beyond what the server was told to wait that its answer may take
const sendLimit = 30_000; // an answer to a message: it can be sent again
const versionsLimit = 4000; // the app waits for it when it opens for the first time
const doubt = 5000; // after so long without an answer the server is called
const callLimit = 6000;
const callAgain = [1500, 3000, 5000, 10_000, 15_000]; // between calls to a silent server; the last one from then on

/**
 * Whether the server answers; judged by whether it does, never by what the operating system believes. All that the client asks
 * goes through fetch, so that each answer is a sign of life, and silence makes it call the server.
 */
export class Link {
    readonly state = new Value<LinkState>({ is: "up" });
    readonly #versions: string;
    readonly #subscriptions = new Subscriptions();
    #heard = Number(localStorage.getItem(place)) || Date.now(); // when there was last an answer
    #client: MatrixClient | undefined;
    #calling = false;
    #asked = false; // what the server can do
    #closed = false;

    constructor(homeserver: string) {
        this.#versions = `${homeserver}/_matrix/client/versions`;
        const shown = (): void => {
            if (document.visibilityState === "visible" && Date.now() - this.#heard > 45_000) void this.#call(); // may have slept
        };
        document.addEventListener("visibilitychange", shown);
        this.#subscriptions.add(() => document.removeEventListener("visibilitychange", shown));
    }

    /** The client whose fetch this is. */
    follow(client: MatrixClient): void {
        this.#client = client;
        this.#subscriptions.on(client, ClientEvent.Sync, (state: SyncState) => {
            if (state === SyncState.Error || state === SyncState.Reconnecting) void this.#call();
        });
    }

    readonly fetch = async (target: RequestInfo | URL, options: RequestInit = {}): Promise<Response> => {
        const url = new URL(target instanceof Request ? target.url : target);
        if (url.href !== this.#versions || this.#asked) return this.#fetch(url, target, options);
        // The app does not open before it knows this. What was said the last time will do, until the next.
        this.#asked = true;
        const known = localStorage.getItem(abilities);
        const asking = this.#fetch(url, target, options).then((response) => this.#keep(response));
        if (!known) return asking;
        asking.catch(() => undefined);
        return new Response(known, { headers: { "Content-Type": "application/json" } });
    };

    async #keep(response: Response): Promise<Response> {
        if (response.ok) localStorage.setItem(abilities, await response.clone().text());
        return response;
    }

    async #fetch(url: URL, target: RequestInfo | URL, options: RequestInit): Promise<Response> {
        const stop = new AbortController();
        const limit = limitOf(url, options.method);
        const late = limit && setTimeout(() => stop.abort(new DOMException("no answer", "TimeoutError")), limit);
        const doubtful = isLong(url, options.method) ? undefined : setTimeout(() => void this.#call(), doubt);
        const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
        try {
            const response = await fetch(target, { ...options, signal });
            this.#answered(response.status, url);
            return response;
        } catch (error) {
            if (!options.signal?.aborted && !isAside(url)) void this.#call();
            throw error;
        } finally {
            clearTimeout(late);
            clearTimeout(doubtful);
        }
    }

    close(): void {
        this.#closed = true;
        this.#subscriptions.end();
    }

    #answered(status: number, url: URL): void {
        const now = this.state.get();
        if (status >= 500) {
            if (isSync(url)) this.#down("failing");
            return;
        }
        this.#heard = Date.now();
        if (now.is === "failing" && !isSync(url)) return; // that was not what has failed
        localStorage.removeItem(place);
        this.state.set({ is: "up" });
    }

    #down(is: "silent" | "failing"): void {
        const now = this.state.get();
        if (now.is === is) return;
        const since = now.is === "up" ? this.#heard : now.since;
        localStorage.setItem(place, String(since));
        this.state.set({ is, since });
    }

    /** Calls the server until it answers. Once is no proof of silence: a server that is started again is away for a second. */
    async #call(): Promise<void> {
        if (this.#calling) return;
        this.#calling = true;
        try {
            for (let calls = 0; !this.#closed; calls++) {
                const status = await this.#ask();
                if (status !== undefined && status < 500) {
                    if (calls > 0) this.#client?.retryImmediately();
                    return;
                }
                if (calls > 0) this.#down(status === undefined ? "silent" : "failing");
                await new Promise((resolve) => setTimeout(resolve, callAgain[Math.min(calls, callAgain.length - 1)]));
            }
        } finally {
            this.#calling = false;
        }
    }

    async #ask(): Promise<number | undefined> {
        try {
            const { status } = await fetch(this.#versions, { cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(callLimit) });
            if (status < 500 && this.state.get().is === "silent") this.#answered(status, new URL(this.#versions));
            return status;
        } catch {
            return undefined;
        }
    }
}

const isSync = (url: URL): boolean => url.pathname.endsWith("/sync");

/** What waits beside /sync: that it fails is no reason for doubt, as /sync fails too when the server is gone. */
const isAside = (url: URL): boolean => url.pathname.endsWith("/org.freehold.reachability");

/** Whether an answer may rightly take its time. */
const isLong = (url: URL, method = "GET"): boolean => isSync(url) || isAside(url) || (method === "POST" && url.pathname.includes("/media/"));

/** How long an answer may take to begin, in milliseconds. */
function limitOf(url: URL, method = "GET"): number | undefined {
    const wait = Number(url.searchParams.get("timeout"));
    if ((isSync(url) || isAside(url)) && wait > 0) return wait + slack;
    if (method === "PUT" && /\/rooms\/[^/]+\/(send|redact)\//.test(url.pathname)) return sendLimit;
    if (url.pathname.endsWith("/_matrix/client/versions")) return versionsLimit;
    return undefined;
}
