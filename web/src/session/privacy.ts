import { ClientEvent, SetPresence } from "matrix-js-sdk";
import type { MatrixClient, MatrixEvent } from "matrix-js-sdk";
import { readData, writeData } from "../store/accountData";
import { discretionOf, discretionType } from "../store/discretion";
import type { Discretion } from "../store/discretion";
import { Subscriptions } from "../store/subscriptions";
import { Value } from "../store/value";

/** What others learn of the person, and who may reach them; the same on all devices. */
export interface PrivacyState extends Discretion {
    invites: boolean; // others may invite
    ignored: string[]; // addresses of whom the person does not want to hear
}

const inviting = "m.invite_permission_config";

export class Privacy {
    readonly state: Value<PrivacyState>;
    readonly #subscriptions = new Subscriptions();

    constructor(readonly client: MatrixClient) {
        this.state = new Value(this.#read());
        this.#subscriptions.on(client, ClientEvent.AccountData, (event: MatrixEvent) => {
            if ([discretionType, inviting, "m.ignored_user_list"].includes(event.getType())) this.#look();
        });
    }

    close(): void {
        this.#subscriptions.end();
    }

    #look(): void {
        const before = this.state.get();
        this.state.set(this.#read());
        if (before.presence !== this.state.get().presence) this.applyPresence();
    }

    #read(): PrivacyState {
        return {
            ...discretionOf(this.client),
            invites: readData(this.client, inviting)?.default_action !== "block",
            ignored: this.client.getIgnoredUsers(),
        };
    }

    /** Syncing tells the server that the person is there, unless it is told not to. */
    applyPresence(): void {
        const { presence } = this.state.get();
        void this.client.setSyncPresence(presence ? SetPresence.Online : SetPresence.Offline).catch(() => undefined);
        if (!presence) void this.client.setPresence({ presence: "offline" }).catch(() => undefined);
    }

    /** Shows at once what is being set, and then what the server has. */
    async #change(soon: Partial<PrivacyState>, act: () => Promise<void>): Promise<void> {
        this.state.set({ ...this.state.get(), ...soon });
        try {
            await act();
        } finally {
            this.#look();
        }
    }

    async set(change: Partial<Discretion>): Promise<void> {
        await this.#change(change, () => writeData(this.client, discretionType, { ...readData(this.client, discretionType), ...change }));
        if (change.presence !== undefined) this.applyPresence();
    }

    /** Whether the server can turn invitations away. */
    async canBlockInvites(): Promise<boolean> {
        return (await this.client.isVersionSupported("v1.18")) || (await this.client.doesServerSupportUnstableFeature("org.matrix.msc4155"));
    }

    allowInvites(allow: boolean): Promise<void> {
        const rest = { ...readData(this.client, inviting) };
        delete rest.default_action;
        return this.#change({ invites: allow }, () => writeData(this.client, inviting, allow ? rest : { ...rest, default_action: "block" }));
    }

    async ignore(user: string): Promise<void> {
        await this.client.setIgnoredUsers([...new Set([...this.client.getIgnoredUsers(), user])]);
        this.#look();
    }

    async hear(user: string): Promise<void> {
        await this.client.setIgnoredUsers(this.client.getIgnoredUsers().filter((other) => other !== user));
        this.#look();
    }
}
