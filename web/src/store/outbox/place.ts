import type { Outgoing } from "./outgoing";

/** Where outgoing messages lie until the server has them. */
export interface Place {
    all(): Promise<Outgoing[]>;
    /** Resolves when the page may go. */
    put(message: Outgoing): Promise<void>;
    remove(message: Outgoing): Promise<void>;
    close(): void;
}

const messages = "messages";

/** The place in this browser. Its name begins as those that are deleted when the account is forgotten. */
export async function openPlace(name: string): Promise<Place> {
    const opening = indexedDB.open(name, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(messages, { keyPath: "order" });
    const db = await settled(opening);
    const write = async (run: (store: IDBObjectStore) => void): Promise<void> => {
        const transaction = db.transaction(messages, "readwrite");
        run(transaction.objectStore(messages));
        await new Promise<void>((resolve, reject) => {
            transaction.oncomplete = () => resolve();
            transaction.onabort = () => reject(transaction.error ?? new Error("not kept"));
        });
    };
    return {
        all: () => settled(db.transaction(messages).objectStore(messages).getAll() as IDBRequest<Outgoing[]>),
        put: (message) => write((store) => store.put(message)),
        remove: (message) => write((store) => store.delete(message.order)),
        close: () => db.close(),
    };
}

/** A place that lasts as long as the page, for a browser that keeps nothing. */
export const nowhere: Place = {
    all: () => Promise.resolve([]),
    put: () => Promise.resolve(),
    remove: () => Promise.resolve(),
    close: () => undefined,
};

function settled<T>(request: IDBRequest<T>): Promise<T> {
    return new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error ?? new Error("no database"));
    });
}
