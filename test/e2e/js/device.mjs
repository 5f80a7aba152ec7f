import * as sdk from "matrix-js-sdk";
import { CryptoEvent, VerificationRequestEvent } from "matrix-js-sdk/lib/crypto-api/index.js";
import { RustBackupManager } from "matrix-js-sdk/lib/rust-crypto/backup.js";

// Clients wait up to ten seconds before they upload keys, so as not to come all at once.
RustBackupManager.maxBackupLoopStartDelayMillis = 100;

// patience is how long a device waits for what it should see, in ms.
const patience = 30_000;

// Device is one client of one person: a browser with a session of its own.
export class Device {
    constructor(name) {
        this.name = name;
        this.secretStorageKeys = {}; // by the id of the key: what the person has typed in
        this.offline = this.losing = false;
        this.verification = null; // the last that came or was asked for: its request, emoji and end
    }

    // signsIn begins the session: keys are made and published, and syncing starts.
    async signsIn(baseUrl, { user_id: userId, device_id: deviceId, access_token: accessToken }) {
        this.client = sdk.createClient({
            baseUrl,
            userId,
            deviceId,
            accessToken,
            logger: complaints(this.name),
            fetchFn: (...request) => this.fetches(...request),
            timelineSupport: true,
            disableVoip: true,
            verificationMethods: ["m.sas.v1"],
            cryptoCallbacks: {
                getSecretStorageKey: async ({ keys }) => {
                    const id = Object.keys(keys).find((id) => this.secretStorageKeys[id]);
                    return id ? [id, this.secretStorageKeys[id]] : null;
                },
                cacheSecretStorageKey: (id, info, key) => (this.secretStorageKeys[id] = key),
            },
        });
        await this.client.initRustCrypto({ useIndexedDB: false });
        this.client.on(sdk.HttpApiEvent.SessionLoggedOut, () => (this.signedOut = true));
        this.client.on(CryptoEvent.VerificationRequestReceived, (request) => this.verifies(request));
    }

    // fetches is fetch, over a network that may be gone: then also what was on its way is lost.
    async fetches(...request) {
        if (!this.offline) {
            const response = await fetch(...request);
            if (this.losing && String(request[0]).includes("/send/")) this.offline = true;
            if (!this.offline) return response;
        }
        throw new TypeError("the network is gone");
    }

    // verifies takes part in a verification, as soon as either side has started it.
    verifies(request) {
        const v = (this.verification = { request });
        request.on(VerificationRequestEvent.Change, () => {
            if (v.done || !request.verifier) return;
            v.done = request.verifier.verify();
            v.done.catch(() => {}); // whoever waits for it is told
        });
    }

    // until waits until so() is neither false nor missing, and gives that. What the device waits for is words, or makes
    // them when the wait was in vain.
    async until(what, so) {
        for (const began = Date.now(); ; await new Promise((wake) => setTimeout(wake, 10))) {
            const got = await so();
            if (got !== undefined && got !== null && got !== false) return got;
            if (Date.now() - began > patience) {
                const missed = typeof what === "function" ? what() : what;
                this.fail(`waited ${patience / 1000} s and does not see ${missed}\n${this.describe()}`);
            }
        }
    }

    // fail ends the step with words that need no stack.
    fail(message) {
        throw Object.assign(new Error(message), { expected: true });
    }

    room(id) {
        return this.client.getRoom(id) ?? this.fail(`knows no room ${id}\n${this.describe()}`);
    }

    // describe lists what the device knows, for a failed step.
    describe() {
        const lines = [`its sync is ${this.client.getSyncState()}`];
        for (const room of this.client.getRooms()) {
            lines.push(`in ${room.roomId} "${room.name}" (${room.getMyMembership()}):`);
            for (const e of timeline(room)) {
                const failure = e.isDecryptionFailure() ? ` cannot be read (${e.decryptionFailureReason})` : "";
                lines.push(`  ${e.getId()} ${e.getSender()} ${e.getType()}${failure} ${JSON.stringify(e.getContent())}`);
            }
        }
        return lines.join("\n");
    }
}

// timeline is everything a device has of a room, main timeline and threads, in the order it came.
export function timeline(room) {
    const events = new Map();
    const sets = [room.getUnfilteredTimelineSet(), ...room.getThreads().map((t) => t.timelineSet)];
    for (const set of sets) {
        for (const part of set.getTimelines()) {
            for (const e of part.getEvents()) events.set(e.getId(), e);
        }
    }
    return [...events.values()];
}

// complaints is a logger that says whose complaint it is, and nothing else. That the library knows push rules which the
// specification has under other names is none.
function complaints(name) {
    const silence = () => {};
    const complain = (...words) => {
        if (!String(words[0]).startsWith("Adding default global")) console.warn(`${name}:`, ...words);
    };
    const getChild = (child) => complaints(name + child);
    return { trace: silence, debug: silence, info: silence, warn: complain, error: complain, getChild };
}
