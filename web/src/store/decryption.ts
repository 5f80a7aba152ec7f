import type { MatrixClient, MatrixEvent } from "matrix-js-sdk";

const firstRetry = 2000; // milliseconds until what could not be decrypted is tried again; then twice as long each time
const lastRetry = 5 * 60_000;

/** Tries again what could not be decrypted. A key may come late: the other device puts it into the backup when it gets to it. */
export class Decryption {
    #timer: ReturnType<typeof setTimeout> | undefined;
    #after = firstRetry;

    constructor(
        readonly client: MatrixClient,
        readonly events: () => MatrixEvent[],
    ) {}

    close(): void {
        clearTimeout(this.#timer);
    }

    /** Sees to it that what cannot be read is tried again. Each try asks the backup anew. */
    look(): void {
        if (this.#timer || !this.#unreadable().length) return;
        this.#timer = setTimeout(() => {
            this.#timer = undefined;
            this.#after = Math.min(this.#after * 2, lastRetry);
            void this.#decrypt().then(() => this.look());
        }, this.#after);
    }

    now(): void {
        clearTimeout(this.#timer);
        this.#timer = undefined;
        this.#after = firstRetry;
        void this.#decrypt();
    }

    #unreadable(): MatrixEvent[] {
        return this.events().filter((event) => event.isDecryptionFailure());
    }

    async #decrypt(): Promise<void> {
        const crypto = this.client.getCrypto() as Parameters<MatrixEvent["attemptDecryption"]>[0] | undefined; // the SDK's own does both
        if (!crypto) return;
        await Promise.all(this.#unreadable().map((event) => event.attemptDecryption(crypto, { isRetry: true })));
    }
}
