import type { MatrixClient } from "matrix-js-sdk";
import { sourceOf, waitingAt } from "../../store/attachment";
import type { FileSource } from "../../store/attachment";
import type { Uploader } from "../../store/outbox/uploading";
import { Spoilt, unlock } from "./lock";
import { safeType } from "./types";

export type Shown =
    | { at: "coming"; part: number } // from 0 to 1; 0 also while it is not known
    | { at: "there"; url: string; size: number } // a blob: address
    | { at: "failed"; why: "large" | "gone" | "spoilt" | "away" };

export interface Wish {
    source: FileSource;
    mime: string; // what it is shown as, if that is safe
    side?: number; // of a file that is not encrypted: a preview of this size will do, in pixels
    limit?: number; // bytes
}

const megabyte = 1024 * 1024;
export const previewSide = 800; // pixels of what is shown in a conversation
const atOnce = 4; // limit: files fetched at once | 4 | the others wait
const keptBytes = 128 * megabyte; // limit: decrypted files that are kept in the page and not shown | 128 MB | the one seen longest ago is fetched again
const largest = 512 * megabyte; // limit: a file that is opened in the page | 512 MB | it is not opened

/** The files of conversations: fetched, checked, decrypted, and given out as addresses for as long as somebody looks. */
export class Media {
    readonly #client: MatrixClient;
    readonly #files = new Map<string, ShownFile>(); // the last used last
    readonly #waiting: (() => void)[] = [];
    #running = 0;

    readonly #waitingBlob: (txn: string, part: "file" | "thumbnail") => Blob | undefined;

    /** waiting: gives a file that is to be sent, and lies here. */
    constructor(client: MatrixClient, waiting: (txn: string, part: "file" | "thumbnail") => Blob | undefined) {
        this.#client = client;
        this.#waitingBlob = waiting;
    }

    /** A file to look at: it is fetched when somebody listens, and forgotten some time after nobody does. */
    file(wish: Wish): ShownFile {
        const key = `${wish.source.url} ${wish.source.lock?.hash ?? ""} ${wish.mime} ${wish.source.lock ? "" : (wish.side ?? "")}`;
        const file = this.#files.get(key) ?? new ShownFile((signal, progress) => this.#fetch(wish, signal, progress), () => this.#forgetOld());
        this.#files.delete(key);
        this.#files.set(key, file);
        return file;
    }

    /** Uploads as it is told to; what was just sent need not be fetched to be shown. */
    knowing(upload: Uploader): Uploader {
        return async (blob, options) => {
            const address = await upload(blob, options);
            const source = sourceOf("url" in address ? address.url : undefined, "file" in address ? address.file : undefined);
            if (!source) return address;
            const safe = new Blob([blob], { type: safeType(blob.type) });
            this.file({ source, mime: blob.type }).fill(safe);
            if (!source.lock) this.file({ source, mime: blob.type, side: previewSide }).fill(safe);
            return address;
        };
    }

    /** A file's bytes, of a type under which no browser runs anything. */
    async bytes(wish: Wish, signal: AbortSignal, progress: (part: number) => void): Promise<Blob> {
        return this.#fetch(wish, signal, progress);
    }

    close(): void {
        for (const file of this.#files.values()) file.forget();
        this.#files.clear();
    }

    #forgetOld(): void {
        let sum = 0;
        for (const [key, file] of [...this.#files].reverse()) {
            sum += file.size;
            if (sum <= keptBytes || file.isHeld) continue;
            file.forget();
            this.#files.delete(key);
        }
    }

    async #fetch(wish: Wish, signal: AbortSignal, progress: (part: number) => void): Promise<Blob> {
        const waiting = waitingAt(wish.source.url);
        if (waiting) {
            const blob = this.#waitingBlob(waiting.txn, waiting.part);
            if (!blob) throw new Refusal("gone");
            return new Blob([blob], { type: safeType(wish.mime) });
        }
        if (this.#running >= atOnce) await new Promise<void>((resolve) => this.#waiting.push(resolve));
        else this.#running++;
        try {
            signal.throwIfAborted();
            const raw = await this.#download(wish, signal, progress);
            const plain = wish.source.lock ? await unlock(raw, wish.source.lock) : raw;
            return new Blob([plain], { type: safeType(wish.mime) });
        } finally {
            const next = this.#waiting.shift();
            if (next) next(); // takes this one's place
            else this.#running--;
        }
    }

    async #download({ source, side, limit = largest }: Wish, signal: AbortSignal, progress: (part: number) => void): Promise<ArrayBuffer> {
        const small = side && !source.lock;
        const url = small
            ? this.#client.mxcUrlToHttp(source.url, side, side, "scale", false, true, true)
            : this.#client.mxcUrlToHttp(source.url, undefined, undefined, undefined, false, true, true);
        if (!url) throw new Refusal("gone");
        let response: Response;
        try {
            response = await fetch(url, { signal, headers: { Authorization: `Bearer ${this.#client.getAccessToken() ?? ""}` } });
        } catch (error) {
            throw signal.aborted ? error : new Refusal("away");
        }
        if (!response.ok || !response.body) throw new Refusal(response.status >= 500 || response.status === 429 ? "away" : "gone");
        const length = Number(response.headers.get("Content-Length")) || 0;
        if (length > limit) {
            void response.body.cancel();
            throw new Refusal("large");
        }
        return read(response.body, length, limit, progress);
    }
}

class Refusal extends Error {
    constructor(readonly why: "large" | "gone" | "away") {
        super(why);
    }
}

/** Reads to the end, or till it is more than was allowed. */
async function read(body: ReadableStream<Uint8Array>, length: number, limit: number, progress: (part: number) => void): Promise<ArrayBuffer> {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    let size = 0;
    const reader = body.getReader();
    for (;;) {
        let next;
        try {
            next = await reader.read();
        } catch (error) {
            throw (error as Error).name === "AbortError" ? error : new Refusal("away");
        }
        if (next.done) break;
        size += next.value.byteLength;
        if (size > limit) {
            void reader.cancel();
            throw new Refusal("large");
        }
        parts.push(next.value as Uint8Array<ArrayBuffer>);
        if (length) progress(Math.min(size / length, 1));
    }
    return new Blob(parts).arrayBuffer();
}

const coming: Shown = { at: "coming", part: 0 };

/** One file as it is shown; a value that is there while somebody listens. */
export class ShownFile {
    #now: Shown = coming;
    #abort: AbortController | undefined;
    readonly #listeners = new Set<() => void>();
    readonly #fetch: (signal: AbortSignal, progress: (part: number) => void) => Promise<Blob>;
    readonly #released: () => void;

    constructor(fetch: (signal: AbortSignal, progress: (part: number) => void) => Promise<Blob>, released: () => void) {
        this.#fetch = fetch;
        this.#released = released;
    }

    readonly get = (): Shown => this.#now;

    readonly subscribe = (listen: () => void): (() => void) => {
        this.#listeners.add(listen);
        if (!this.#abort && this.#now.at !== "there") void this.#load();
        return () => {
            this.#listeners.delete(listen);
            setTimeout(() => { // who looks again at once, as lists do that move their lines, finds it
                if (this.isHeld) return;
                this.#abort?.abort();
                this.#released();
            });
        };
    };

    get isHeld(): boolean {
        return this.#listeners.size > 0;
    }

    get size(): number {
        return this.#now.at === "there" ? this.#now.size : 0;
    }

    readonly retry = (): void => {
        if (this.#now.at === "failed" && !this.#abort) void this.#load();
    };

    fill(blob: Blob): void {
        if (this.#now.at !== "there") this.#set({ at: "there", url: URL.createObjectURL(blob), size: blob.size });
    }

    forget(): void {
        this.#abort?.abort();
        if (this.#now.at === "there") URL.revokeObjectURL(this.#now.url);
        this.#now = coming;
    }

    async #load(): Promise<void> {
        const abort = new AbortController();
        this.#abort = abort;
        this.#set(coming);
        try {
            const blob = await this.#fetch(abort.signal, (part) => this.#set({ at: "coming", part }));
            abort.signal.throwIfAborted();
            this.fill(blob);
        } catch (error) {
            if (abort.signal.aborted) this.#set(coming);
            else this.#set({ at: "failed", why: error instanceof Refusal ? error.why : error instanceof Spoilt ? "spoilt" : "away" });
        } finally {
            this.#abort = undefined;
            if (this.isHeld && abort.signal.aborted) void this.#load(); // somebody has come meanwhile
        }
    }

    #set(next: Shown): void {
        this.#now = next;
        for (const listen of [...this.#listeners]) listen();
    }
}
