const keys = "keys";
const pages = "pages";

/**
 * Pages of text in the browser's database that nobody reads who copies its files: each is encrypted, by a key that the browser
 * keeps and does not give out, not even to this app. Where the browser has no cryptography, nothing is kept.
 */
export class Vault {
    readonly #ready: Promise<{ db: IDBDatabase; key: CryptoKey } | undefined>;

    constructor(name: string) {
        this.#ready = (globalThis.crypto as Crypto | undefined)?.subtle ? opened(name).catch(() => undefined) : Promise.resolve(undefined);
    }

    /** All pages, the oldest first. One that cannot be read is left out. */
    async read(): Promise<unknown[]> {
        const vault = await this.#ready;
        if (!vault) return [];
        const stored = await done(vault.db.transaction(pages).objectStore(pages).getAll() as IDBRequest<Page[]>);
        const read = await Promise.all(stored.map(async ({ iv, data }) => {
            try {
                const clear = await crypto.subtle.decrypt({ name: "AES-GCM", iv }, vault.key, data);
                return JSON.parse(new TextDecoder().decode(clear)) as unknown;
            } catch {
                return undefined;
            }
        }));
        return read.filter((page) => page !== undefined);
    }

    async append(page: unknown): Promise<void> {
        const vault = await this.#ready;
        if (!vault) return;
        const sealed = await seal(vault.key, page);
        await done(vault.db.transaction(pages, "readwrite").objectStore(pages).add(sealed));
    }

    /** Puts these pages in the place of all that there were. */
    async replace(all: unknown[]): Promise<void> {
        const vault = await this.#ready;
        if (!vault) return;
        const sealed = await Promise.all(all.map((page) => seal(vault.key, page)));
        const store = vault.db.transaction(pages, "readwrite").objectStore(pages);
        store.clear();
        for (const page of sealed) store.add(page);
        await finished(store.transaction);
    }

    async close(): Promise<void> {
        (await this.#ready)?.db.close();
    }
}

interface Page {
    iv: Uint8Array<ArrayBuffer>;
    data: ArrayBuffer;
}

async function seal(key: CryptoKey, page: unknown): Promise<Page> {
    const iv = crypto.getRandomValues(new Uint8Array(12));
    return { iv, data: await crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, new TextEncoder().encode(JSON.stringify(page))) };
}

async function opened(name: string): Promise<{ db: IDBDatabase; key: CryptoKey }> {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => {
        request.result.createObjectStore(keys);
        request.result.createObjectStore(pages, { autoIncrement: true });
    };
    const db = await done(request);
    db.onversionchange = () => db.close(); // it is being deleted
    const fresh = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
    const store = db.transaction(keys, "readwrite").objectStore(keys);
    const known = await done(store.get("key") as IDBRequest<CryptoKey | undefined>);
    if (!known) await done(store.put(fresh, "key"));
    return { db, key: known ?? fresh };
}

function done<T>(request: IDBRequest<T>): Promise<T> {
    return new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error ?? new Error("the database refused"));
    });
}

function finished(transaction: IDBTransaction): Promise<void> {
    return new Promise((resolve, reject) => {
        transaction.oncomplete = () => resolve();
        transaction.onabort = () => reject(transaction.error ?? new Error("the database refused"));
    });
}
