/** Listeners that end together. */
export class Subscriptions {
    readonly #ends: (() => void)[] = [];

    /** Listens to one event of one of the SDK's emitters; the listener's type is the SDK's. */
    on<E extends string, L>(emitter: { on(event: E, listener: L): unknown; off(event: E, listener: L): unknown }, event: E, listener: L): void {
        emitter.on(event, listener);
        this.#ends.push(() => emitter.off(event, listener));
    }

    add(end: () => void): void {
        this.#ends.push(end);
    }

    end(): void {
        for (const end of this.#ends.splice(0)) end();
    }
}
