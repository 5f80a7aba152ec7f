import { CryptoEvent } from "matrix-js-sdk/lib/crypto-api";
import type { UserVerificationStatus } from "matrix-js-sdk/lib/crypto-api";
import { ClientEvent } from "matrix-js-sdk";
import type { MatrixClient } from "matrix-js-sdk";
import { plainName } from "./names";
import { soon } from "./soon";
import { Subscriptions } from "./subscriptions";
import { Value } from "./value";

const grace = 45_000; // milliseconds in which who has just signed in can verify the device before the others hear of it
const most = 200; // limit: members of a room whose keys are looked at | 200 | of the others a change is seen when it happens

/** How it stands with the keys of another person. changed: others than before; broken: others than those that were verified. */
export type Standing = "unknown" | "known" | "verified" | "changed" | "broken";

export interface Stranger {
    id: string;
    name: string;
}

/** What the person should know about keys, and else nothing: a changed identity, a device of the account that nobody has verified. */
export class Trust {
    readonly people = new Value<ReadonlyMap<string, Standing>>(new Map());
    /** Devices of the account that have not been verified, and of which the person has not said that it is all right. */
    readonly strangers = new Value<Stranger[]>([]);
    readonly #subscriptions = new Subscriptions();
    readonly #seen = new Map<string, number>(); // when this device first saw another that is not verified
    #timer: ReturnType<typeof setTimeout> | undefined;

    constructor(readonly client: MatrixClient) {
        const own = client.getSafeUserId();
        const look = soon(() => void this.#lookForStrangers().catch(() => undefined), 500);
        this.#subscriptions.on(client, CryptoEvent.UserTrustStatusChanged, (user: string, status: UserVerificationStatus) => {
            if (user === own) look();
            else this.#put(user, standingOf(status));
        });
        this.#subscriptions.on(client, CryptoEvent.DevicesUpdated, (users: string[]) => {
            if (users.includes(own)) look();
        });
        this.#subscriptions.on(client, ClientEvent.Sync, (state: string, before: string | null) => {
            if (state !== before) look();
        });
    }

    close(): void {
        clearTimeout(this.#timer);
        this.#subscriptions.end();
    }

    /** Looks at the keys of who is in a room; changed ones are then in people. */
    async room(roomId: string): Promise<void> {
        const room = this.client.getRoom(roomId);
        if (!room?.hasEncryptionStateEvent()) return;
        const own = this.client.getSafeUserId();
        for (const { userId } of room.getJoinedMembers().slice(0, most)) {
            if (userId !== own && !this.people.get().has(userId)) await this.person(userId);
        }
    }

    async person(user: string): Promise<Standing> {
        const standing = standingOf(await this.client.getCrypto()!.getUserVerificationStatus(user));
        this.#put(user, standing);
        return standing;
    }

    /** The first member of a room whose keys are others than they were. */
    changedIn(roomId: string, standings: ReadonlyMap<string, Standing>): { id: string; name: string; standing: "changed" | "broken" } | undefined {
        for (const [id, standing] of standings) {
            if (standing !== "changed" && standing !== "broken") continue;
            const member = this.client.getRoom(roomId)?.getMember(id);
            if (member && ["join", "invite"].includes(member.membership ?? "")) return { id, name: plainName(member.name), standing };
        }
        return undefined;
    }

    /** The person goes on with the new keys. */
    async accept(user: string): Promise<void> {
        const crypto = this.client.getCrypto()!;
        if (this.people.get().get(user) === "broken") await crypto.withdrawVerificationRequirement(user);
        await crypto.pinCurrentUserIdentity(user);
        await this.person(user);
    }

    #put(user: string, standing: Standing): void {
        const before = this.people.get();
        if (before.get(user) !== standing) this.people.set(new Map(before).set(user, standing));
    }

    async #lookForStrangers(): Promise<void> {
        const crypto = this.client.getCrypto();
        const own = this.client.getSafeUserId();
        const current = this.client.getDeviceId()!;
        // A device that is not verified itself has nothing to say about others.
        if (!crypto || !(await crypto.getDeviceVerificationStatus(own, current))?.signedByOwner) {
            this.strangers.set([]);
            return;
        }
        const found: Stranger[] = [];
        const known = knownDevices();
        let next = Infinity;
        for (const device of (await crypto.getUserDeviceInfo([own])).get(own)?.values() ?? []) {
            if (device.deviceId === current || device.dehydrated || known.has(device.deviceId)) continue;
            if ((await crypto.getDeviceVerificationStatus(own, device.deviceId))?.signedByOwner !== false) continue;
            const now = Date.now();
            const since = this.#seen.get(device.deviceId) ?? now;
            this.#seen.set(device.deviceId, since);
            if (now - since < grace) next = Math.min(next, since + grace - now);
            else found.push({ id: device.deviceId, name: device.displayName ?? device.deviceId });
        }
        this.strangers.set(found);
        clearTimeout(this.#timer);
        if (next < Infinity) this.#timer = setTimeout(() => void this.#lookForStrangers().catch(() => undefined), next + 100);
    }

    /** The person knows this device, and need not be told again. */
    known(id: string): void {
        localStorage.setItem(knownPlace, JSON.stringify([...knownDevices(), id]));
        this.strangers.set(this.strangers.get().filter((stranger) => stranger.id !== id));
    }
}

const knownPlace = "freehold.of.known-devices";

function knownDevices(): Set<string> {
    try {
        const read: unknown = JSON.parse(localStorage.getItem(knownPlace) ?? "[]");
        return new Set(Array.isArray(read) ? read.map(String) : []);
    } catch {
        return new Set();
    }
}

function standingOf(status: UserVerificationStatus): Standing {
    if (status.isVerified()) return "verified";
    if (status.wasCrossSigningVerified()) return "broken";
    if (status.needsUserApproval) return "changed";
    return status.known ? "known" : "unknown";
}
