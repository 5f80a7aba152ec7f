import { useSyncExternalStore } from "react";

/** What screens read: a value that is replaced, never changed, and says so. All state of the app is in Values. */
export class Value<T> {
    #now: T;
    readonly #listeners = new Set<() => void>();

    constructor(now: T) {
        this.#now = now;
    }

    readonly get = (): T => this.#now;

    set(next: T): void {
        if (Object.is(this.#now, next)) return;
        this.#now = next;
        for (const listen of [...this.#listeners]) listen();
    }

    readonly subscribe = (listen: () => void): (() => void) => {
        this.#listeners.add(listen);
        return () => this.#listeners.delete(listen);
    };
}

export function useValue<T>(value: Value<T>): T {
    return useSyncExternalStore(value.subscribe, value.get);
}
