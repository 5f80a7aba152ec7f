import type { MatrixClient } from "matrix-js-sdk";
import { CryptoEvent } from "matrix-js-sdk/lib/crypto-api";
import { soon } from "../store/soon";
import { Subscriptions } from "../store/subscriptions";
import { Value } from "../store/value";
import type { Confirmation } from "./confirmation";

/** One session of the person's own account. */
export interface OwnDevice {
    id: string;
    name: string; // "" when it has none
    seen: number; // when the server last heard of it, in milliseconds; 0 when it does not say
    from: string; // the network address then
    current: boolean;
    /** yes: signed with the person's key; no: it has keys that nobody has signed; none: it has none, and reads nothing encrypted. */
    verified: "yes" | "no" | "none";
}

/** The sessions of the account, on all devices. */
export class Devices {
    /** The one that is in use first, then those used last; undefined until the server was asked. */
    readonly all = new Value<OwnDevice[] | undefined>(undefined);
    readonly #subscriptions = new Subscriptions();

    constructor(
        readonly client: MatrixClient,
        readonly confirmation: Confirmation,
    ) {
        const again = soon(() => void this.load().catch(() => undefined), 300);
        const own = client.getSafeUserId();
        this.#subscriptions.on(client, CryptoEvent.DevicesUpdated, (users: string[]) => {
            if (this.all.get() && users.includes(own)) again();
        });
        this.#subscriptions.on(client, CryptoEvent.KeysChanged, () => {
            if (this.all.get()) again();
        });
    }

    close(): void {
        this.#subscriptions.end();
    }

    async load(): Promise<void> {
        const { devices } = await this.client.getDevices();
        const own = this.client.getSafeUserId();
        const current = this.client.getDeviceId();
        const crypto = this.client.getCrypto()!;
        const list = await Promise.all(devices.map(async (device): Promise<OwnDevice> => {
            const trust = await crypto.getDeviceVerificationStatus(own, device.device_id);
            return {
                id: device.device_id,
                name: device.display_name ?? "",
                seen: device.last_seen_ts ?? 0,
                from: device.last_seen_ip ?? "",
                current: device.device_id === current,
                verified: !trust ? "none" : trust.signedByOwner ? "yes" : "no",
            };
        }));
        this.all.set(list.sort((a, b) => Number(b.current) - Number(a.current) || b.seen - a.seen));
    }

    async rename(id: string, name: string): Promise<void> {
        await this.client.setDeviceDetails(id, { display_name: name });
        await this.load();
    }

    /** Signs other sessions out; the server asks for the password. */
    async remove(ids: string[]): Promise<void> {
        await this.confirmation.run((proof) => this.client.deleteMultipleDevices(ids, proof ?? undefined));
        await this.load();
    }
}
