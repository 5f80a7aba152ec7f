/** Who is signed in on this browser, and with what. */
export interface Account {
    homeserver: string; // base of its addresses, without a slash at the end
    user: string;
    device: string;
    token: string;
}

const place = "freehold.account";

export function savedAccount(): Account | undefined {
    try {
        const read = JSON.parse(localStorage.getItem(place) ?? "null") as Partial<Account> | null;
        if (read?.homeserver && read.user && read.device && read.token) return read as Account;
    } catch {
        // not ours: as if there were none
    }
    return undefined;
}

export function saveAccount(account: Account): void {
    localStorage.setItem(place, JSON.stringify(account));
}

/** Forgets everything of the account but what is no secret, such as the language. */
export async function forgetAccount(): Promise<void> {
    localStorage.removeItem(place);
    for (const key of Object.keys(localStorage)) {
        if (key.startsWith("freehold.of.") || key.startsWith("mx")) localStorage.removeItem(key);
    }
    const databases = await indexedDB.databases();
    for (const { name } of databases) {
        if (name?.startsWith("freehold") || name?.startsWith("matrix-js-sdk:freehold")) indexedDB.deleteDatabase(name);
    }
}
