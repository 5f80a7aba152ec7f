import { CryptoEvent, decodeRecoveryKey, ImportRoomKeyStage } from "matrix-js-sdk/lib/crypto-api";
import type { CryptoCallbacks } from "matrix-js-sdk/lib/crypto-api";
import { Method } from "matrix-js-sdk";
import type { MatrixClient, MatrixError } from "matrix-js-sdk";
import { Subscriptions } from "../store/subscriptions";
import { Value } from "../store/value";
import type { Confirmation } from "./confirmation";

/**
 * How it stands with the person's keys.
 * fresh: they have been made just now, and the recovery key must be shown; locked: the account has keys that this device
 * lacks, and the recovery key would bring them; later: the person was asked a while ago and did not want to.
 */
export type KeysState = { at: "checking" | "ready" | "locked" | "later" | "impossible" } | { at: "fresh"; recoveryKey: string };

const unsavedPlace = "freehold.of.recovery-key"; // until the person has said that it is written down
const laterPlace = "freehold.of.keys-later"; // when the person did not want to be asked for the recovery key
const leaveAlone = 7 * 86_400_000; // milliseconds until the person is asked again when the app is opened; the list says it all the while

/** Sets up encryption without asking: cross-signing, secret storage, key backup. */
export class Keys {
    readonly state = new Value<KeysState>({ at: "checking" });
    /** Counts when keys to messages have come at once: what could not be read may be readable. */
    readonly came = new Value(0);
    readonly #client: () => MatrixClient;
    #opened: Uint8Array<ArrayBuffer> | undefined; // the key of secret storage, while it is in use

    constructor(
        client: () => MatrixClient,
        readonly confirmation: Confirmation,
    ) {
        this.#client = client;
    }

    /** What the SDK asks for the key of secret storage with. */
    readonly callbacks: CryptoCallbacks = {
        getSecretStorageKey: ({ keys }) => {
            const id = Object.keys(keys)[0];
            return Promise.resolve(id && this.#opened ? [id, this.#opened] : null);
        },
        cacheSecretStorageKey: (_id, _info, key) => {
            this.#opened = key;
        },
    };

    /** To be called when the server has answered a sync: what this browser remembers may be old. password: what the person has just typed, if so. */
    async prepare(password: string | undefined): Promise<void> {
        const unsaved = localStorage.getItem(unsavedPlace);
        if (unsaved) {
            this.state.set({ at: "fresh", recoveryKey: unsaved });
            return;
        }
        const client = this.#client();
        const crypto = client.getCrypto()!;
        const status = await crypto.getCrossSigningStatus();
        const own = Object.values(status.privateKeysCachedLocally).every(Boolean);
        const stored = await this.#hasSecretStorage();
        const published = await crypto.userHasCrossSigningKeys(undefined, true);
        if (stored && own) {
            this.state.set({ at: "ready" });
            void crypto.checkKeyBackupAndEnable();
        } else if (stored || (published && !own)) {
            const declined = Number(localStorage.getItem(laterPlace));
            this.state.set({ at: Date.now() - declined < leaveAlone ? "later" : "locked" });
        } else if (!isSecureContext) {
            this.state.set({ at: "impossible" }); // the page came unencrypted: the browser has no cryptography for us
        } else {
            await this.#make(password);
        }
    }

    /**
     * Whether the account has secret storage. The server is asked, not the SDK, which answers from its store: a remembered
     * "no" would make new keys in the place of those that there are. Only 404 is a no.
     */
    async #hasSecretStorage(): Promise<boolean> {
        const client = this.#client();
        try {
            const { key } = await client.http.authedRequest<{ key?: string }>(
                Method.Get,
                `/user/${encodeURIComponent(client.getSafeUserId())}/account_data/m.secret_storage.default_key`,
            );
            return !!key;
        } catch (error) {
            if ((error as MatrixError).httpStatus === 404) return false;
            throw error;
        }
    }

    async #make(password: string | undefined): Promise<void> {
        const crypto = this.#client().getCrypto()!;
        await crypto.bootstrapCrossSigning({ authUploadDeviceSigningKeys: (upload) => this.confirmation.run(upload, password) });
        const key = await crypto.createRecoveryKeyFromPassphrase();
        await crypto.bootstrapSecretStorage({ createSecretStorageKey: () => Promise.resolve(key), setupNewKeyBackup: true });
        this.#show(key.encodedPrivateKey!);
    }

    /** Another recovery key in the place of the one that there is, which opens nothing from now on. */
    async renew(): Promise<void> {
        const crypto = this.#client().getCrypto()!;
        const key = await crypto.createRecoveryKeyFromPassphrase();
        await crypto.bootstrapSecretStorage({ createSecretStorageKey: () => Promise.resolve(key), setupNewSecretStorage: true });
        this.#show(key.encodedPrivateKey!);
    }

    /**
     * Begins anew, for who has lost every device and the recovery key: what is in the backup is lost, and others see that
     * the person's keys have changed.
     */
    async reset(): Promise<void> {
        const crypto = this.#client().getCrypto()!;
        await crypto.resetEncryption((upload) => this.confirmation.run(upload));
        await this.renew();
    }

    #show(recoveryKey: string): void {
        this.#opened = undefined;
        localStorage.setItem(unsavedPlace, recoveryKey);
        this.state.set({ at: "fresh", recoveryKey });
    }

    /** Whether messages could not be read again if this device forgot its keys: nobody else has all of them. */
    async wouldBeLost(): Promise<boolean> {
        const crypto = this.#client().getCrypto()!;
        const unsaved = localStorage.getItem(unsavedPlace) !== null;
        return unsaved || (await crypto.getActiveSessionBackupVersion()) === null;
    }

    /** The person has written the recovery key down. */
    saved(): void {
        localStorage.removeItem(unsavedPlace);
        this.state.set({ at: "ready" });
    }

    /** Brings the account's keys to this device; false when it is not the recovery key. */
    async unlock(recoveryKey: string): Promise<boolean> {
        const client = this.#client();
        const crypto = client.getCrypto()!;
        try {
            const key = decodeRecoveryKey(recoveryKey);
            const stored = await client.secretStorage.getKey();
            if (!stored || !(await client.secretStorage.checkKey(key, stored[1]))) return false;
            this.#opened = key;
        } catch {
            return false;
        }
        try {
            await crypto.bootstrapCrossSigning({});
            await crypto.loadSessionBackupPrivateKeyFromSecretStorage();
            await crypto.checkKeyBackupAndEnable();
        } finally {
            this.#opened = undefined;
        }
        this.state.set({ at: "ready" });
        return true;
    }

    /** The keys that this device has, as the text of a file; see keyfile.ts. */
    async exportTo(passphrase: string): Promise<string> {
        const { sealKeys } = await import("./keyfile");
        return sealKeys(await this.#client().getCrypto()!.exportRoomKeysAsJson(), passphrase);
    }

    /** Takes the keys of a file; gives how many it had, or what is wrong with it. */
    async importFrom(file: string, passphrase: string, tell: (done: number, all: number) => void): Promise<number | "format" | "passphrase"> {
        const { BadKeyFile, openKeys } = await import("./keyfile");
        try {
            const keys = await openKeys(file, passphrase);
            const count = (JSON.parse(keys) as unknown[]).length;
            await this.#client().getCrypto()!.importRoomKeysAsJson(keys, {
                progressCallback: (progress) => {
                    if (progress.stage === ImportRoomKeyStage.LoadKeys) tell(progress.successes + progress.failures, progress.total);
                },
            });
            this.came.set(this.came.get() + 1);
            return count;
        } catch (error) {
            if (error instanceof BadKeyFile) return error.why;
            throw error;
        }
    }

    later(): void {
        localStorage.setItem(laterPlace, String(Date.now()));
        this.state.set({ at: "later" });
    }

    /** Asks again, when the person wants to now. */
    ask(): void {
        this.state.set({ at: "locked" });
    }

    /** Looks whether the keys have come from another device of the person's, which sends them once it has been verified. */
    async look(): Promise<boolean> {
        const { at } = this.state.get();
        if (at !== "locked" && at !== "later") return at === "ready";
        const crypto = this.#client().getCrypto()!;
        const { privateKeysCachedLocally } = await crypto.getCrossSigningStatus();
        const backup = await crypto.getSessionBackupPrivateKey();
        if (!Object.values(privateKeysCachedLocally).every(Boolean) || !backup) return false;
        await crypto.checkKeyBackupAndEnable();
        this.state.set({ at: "ready" });
        return true;
    }

    /** The keys may arrive without this device asking. */
    watch(): () => void {
        const subscriptions = new Subscriptions();
        const look = (): void => void this.look().catch((error: unknown) => console.warn("keys cannot be looked at", error));
        subscriptions.on(this.#client(), CryptoEvent.KeysChanged, look);
        subscriptions.on(this.#client(), CryptoEvent.KeyBackupDecryptionKeyCached, look);
        return () => subscriptions.end();
    }
}
