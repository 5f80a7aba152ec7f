import { Value } from "../value";
import { fill } from "./outgoing";
import type { Outgoing } from "./outgoing";

export interface UploadOptions {
    name: string;
    encrypted: boolean;
    progress: (part: number) => void; // from 0 to 1
    signal: AbortSignal;
}

/** Uploads a file, encrypted if it is to be, and gives what the message says of it. */
export type Uploader = (blob: Blob, options: UploadOptions) => Promise<{ url: string } | { file: object }>;

/** The files of messages, on their way to the server; those of one message go one after the other. */
export class Uploading {
    /** How much of the files of a message is uploaded, from 0 to 1, by transaction id. */
    readonly parts = new Value<ReadonlyMap<string, number>>(new Map());
    readonly #stops = new Map<string, AbortController>(); // of those that go on, by transaction id

    constructor(
        readonly upload: Uploader,
        readonly keep: (message: Outgoing) => Promise<void>,
    ) {}

    isGoing(txn: string): boolean {
        return this.#stops.has(txn);
    }

    stop(txn: string): void {
        this.#stops.get(txn)?.abort();
    }

    stopAll(): void {
        for (const stop of this.#stops.values()) stop.abort();
    }

    /** Uploads what is not uploaded yet, and puts the addresses into the message. */
    async all(message: Outgoing, encrypted: boolean, began: () => void): Promise<void> {
        const waiting = message.uploads.filter((upload) => !upload.done);
        if (!waiting.length) return;
        const stop = new AbortController();
        this.#stops.set(message.txn, stop);
        began();
        const total = message.uploads.reduce((sum, { blob }) => sum + blob.size, 0) || 1;
        let before = total - waiting.reduce((sum, { blob }) => sum + blob.size, 0);
        const tell = (bytes: number): void => this.parts.set(new Map(this.parts.get()).set(message.txn, bytes / total));
        try {
            for (const upload of waiting) {
                const { blob, name } = upload;
                const address = await this.upload(blob, { name, encrypted, signal: stop.signal, progress: (part) => tell(before + part * blob.size) });
                stop.signal.throwIfAborted();
                fill(message, upload, address);
                upload.done = true;
                before += blob.size;
                await this.keep(message); // so that it is not uploaded again
                stop.signal.throwIfAborted();
            }
        } finally {
            this.#stops.delete(message.txn);
        }
    }

    /** The message is sent, or given up. */
    forget(txn: string): void {
        if (!this.parts.get().has(txn)) return;
        const parts = new Map(this.parts.get());
        parts.delete(txn);
        this.parts.set(parts);
    }
}
