import { ClientEvent, createClient, HttpApiEvent, PendingEventOrdering, SyncState, Thread } from "matrix-js-sdk";
import type { MatrixClient, SyncStateData } from "matrix-js-sdk";
import { Details } from "../store/details";
import { Alerts } from "../store/alerts";
import type { Alert } from "../store/alerts";
import { Beyond } from "../store/beyond";
import { EmojiUse } from "../store/emoji";
import { Glance } from "../store/glance";
import { Link } from "../store/link";
import { Outbox } from "../store/outbox/outbox";
import { nowhere, openPlace } from "../store/outbox/place";
import type { Place } from "../store/outbox/place";
import { RoomList } from "../store/rooms";
import { MessageSearch } from "../store/search/finding";
import { Indexing } from "../store/search/indexing";
import { Subscriptions } from "../store/subscriptions";
import { Tails } from "../store/tails";
import { Timeline } from "../store/timeline";
import { Trust } from "../store/trust";
import { Value } from "../store/value";
import { forgetAccount } from "./account";
import type { Account } from "./account";
import { Finding } from "./finding";
import { Governing } from "./governing";
import { Inviting } from "./inviting";
import { Confirmation } from "./confirmation";
import { Devices } from "./devices";
import { Keys } from "./keys";
import { Media } from "./media/media";
import { Sending } from "./media/sending";
import { Stickers } from "./media/stickers";
import { Making } from "./making";
import { Own } from "./own";
import { People } from "./people";
import { Remembered } from "./remembered";
import { Sorting } from "./sorting";
import { Privacy } from "./privacy";
import { Rules } from "./rules";
import type { TakeoutProgress, TakeoutWords } from "./takeout";
import { Verification } from "./verification";
import { uploaderOf } from "./upload";

const keptTimelines = 5; // limit: opened timelines | 5 | the one looked at longest ago is read anew

/** One signed-in account: the SDK's client, and what screens read of it. Made by open, ended by close or signOut. */
export class Session {
    /** Set when the server says that this session has been signed out. */
    readonly ended = new Value(false);
    readonly rooms: RoomList;
    readonly outbox: Outbox;
    readonly people: People;
    readonly media: Media;
    readonly sending: Sending;
    readonly stickers: Stickers;
    readonly making: Making;
    readonly finding: Finding;
    readonly governing: Governing;
    readonly sorting: Sorting;
    readonly inviting: Inviting;
    readonly own: Own;
    readonly devices: Devices;
    readonly privacy: Privacy;
    readonly rules: Rules;
    readonly trust: Trust;
    readonly verification: Verification;
    readonly emoji: EmojiUse;
    readonly beyond: Beyond;
    readonly search: MessageSearch;
    readonly #indexing: Indexing;
    readonly #glance: Glance;
    readonly #tails: Tails;
    readonly #subscriptions = new Subscriptions();
    readonly #timelines = new Map<string, Timeline>(); // the last used last

    private constructor(
        readonly account: Account,
        readonly client: MatrixClient,
        readonly keys: Keys,
        readonly confirmation: Confirmation,
        readonly link: Link,
        readonly remembered: Remembered,
        outgoing: Place,
    ) {
        link.follow(client);
        this.rooms = new RoomList(client);
        this.#glance = new Glance(account, this.rooms);
        this.#tails = new Tails(client, (room) => [...this.#timelines.keys()].some((key) => key.startsWith(`${room} `)));
        this.people = new People(client);
        this.media = new Media(client, (txn, part) => this.outbox.blob(txn, part));
        this.outbox = new Outbox(client, outgoing, this.media.knowing(uploaderOf(client)));
        this.sending = new Sending(client, this.outbox);
        this.stickers = new Stickers(client);
        this.making = new Making(client);
        this.finding = new Finding(client);
        this.governing = new Governing(client);
        this.inviting = new Inviting(client);
        this.own = new Own(client, confirmation);
        this.devices = new Devices(client, confirmation);
        this.privacy = new Privacy(client);
        this.rules = new Rules(client);
        this.sorting = new Sorting(client, this.rules);
        this.trust = new Trust(client);
        this.verification = new Verification(client, this.people, (who) => void this.#verified(who.own));
        this.#subscriptions.add(this.verification.watch());
        this.emoji = new EmojiUse(client);
        this.beyond = new Beyond(client, link.state);
        this.#indexing = new Indexing(client, `freehold-search:${account.user}:${account.device}`);
        this.search = new MessageSearch(client, this.#indexing);
        this.#subscriptions.on(client, HttpApiEvent.SessionLoggedOut, () => this.ended.set(true));
        this.#subscriptions.add(this.ended.subscribe(() => this.beyond.close()));
        this.#subscriptions.add(keys.watch());
        const retry = (): void => {
            for (const timeline of this.#timelines.values()) timeline.retry();
        };
        this.#subscriptions.add(keys.state.subscribe(() => keys.state.get().at === "ready" && retry()));
        this.#subscriptions.add(keys.came.subscribe(retry));
        const hidden = (): void => {
            if (document.visibilityState !== "hidden") return;
            void remembered.keep(); // it may be closed next
            void this.#glance.write();
        };
        this.#subscriptions.add(link.state.subscribe(() => link.state.get().is !== "up" && void remembered.keep())); // it is all that there is now
        document.addEventListener("visibilitychange", hidden);
        this.#subscriptions.add(() => document.removeEventListener("visibilitychange", hidden));
    }

    /** Starts an account; returns as soon as there is a list of rooms to show, from this browser or from the server. */
    static async open(account: Account, password?: string): Promise<Session> {
        const name = `freehold:${account.user}:${account.device}`;
        const store = Remembered.named(name);
        const link = new Link(account.homeserver);
        const confirmation = new Confirmation(() => client);
        const keys = new Keys(() => client, confirmation);
        const client = createClient({
            baseUrl: account.homeserver,
            userId: account.user,
            deviceId: account.device,
            accessToken: account.token,
            store,
            fetchFn: link.fetch,
            timelineSupport: true,
            cryptoCallbacks: keys.callbacks,
            disableVoip: true,
        });
        const [outgoing] = await Promise.all([
            openPlace(`${name}:outbox`).catch(() => nowhere), store.startup(), client.initRustCrypto({ cryptoDatabasePrefix: name }),
        ]);
        const session = new Session(account, client, keys, confirmation, link, store, outgoing);
        const ready = session.#synced(true);
        const live = session.#synced(false);
        await client.startClient({
            lazyLoadMembers: true,
            initialSyncLimit: 20,
            pendingEventOrdering: PendingEventOrdering.Detached,
            threadSupport: true,
        });
        await ready;
        session.privacy.applyPresence();
        await session.outbox.start();
        session.rooms.refresh(); // or an empty list would be seen for a moment, and who is in it by keyboard thrown out
        void live.then(() => {
            void session.#prepareKeys(password);
            void session.#askAbilities();
            void session.beyond.start();
        });
        return session;
    }

    /** Waits for the rooms: those that this browser remembers will do, or only what the server answers. */
    #synced(remembered: boolean): Promise<void> {
        return new Promise((resolve) => {
            this.#subscriptions.on(this.client, ClientEvent.Sync, (state: SyncState, _before: SyncState | null, data?: SyncStateData) => {
                if ((state === SyncState.Prepared && (remembered || !data?.fromCache)) || state === SyncState.Syncing) resolve();
            });
            this.ended.subscribe(resolve);
        });
    }

    /** The SDK asks once, when it starts: then there may have been no answer. */
    async #askAbilities(): Promise<void> {
        const { threads, list, fwdPagination } = await this.client.doesServerSupportThread();
        Thread.setServerSideSupport(threads);
        Thread.setServerSideListSupport(list);
        Thread.setServerSideFwdPaginationSupport(fwdPagination);
    }

    /** Tries until the server has answered: without it there is nothing to compare with. */
    async #prepareKeys(password: string | undefined): Promise<void> {
        for (let wait = 1000; !this.ended.get(); wait = Math.min(wait * 2, 60_000)) {
            try {
                await this.keys.prepare(password);
                return;
            } catch (error) {
                console.warn("keys are not prepared yet", error);
                await new Promise((resolve) => setTimeout(resolve, wait));
            }
        }
    }

    /** After a verification with another device of the person's the keys come from there, within seconds. */
    async #verified(own: boolean): Promise<void> {
        for (let i = 0; own && i < 60; i++) {
            if (await this.keys.look().catch(() => false)) break;
            await new Promise((resolve) => setTimeout(resolve, 1000));
        }
    }

    /** A file with everything of the person's; see takeout.ts. */
    async takeOut(rooms: string[], words: TakeoutWords, tell: (progress: TakeoutProgress) => void, signal: AbortSignal): Promise<Blob> {
        const { takeOut } = await import("./takeout");
        return takeOut(this.client, rooms, words, tell, signal);
    }

    /** Tells of what comes; gives what ends it. */
    alerts(tell: (alert: Alert) => void): () => void {
        const alerts = new Alerts(this.client, tell);
        return () => alerts.close();
    }

    /** The conversation of a room, or of the thread that a message has begun. */
    timeline(roomId: string, threadId?: string): Timeline {
        const key = `${roomId} ${threadId ?? ""}`;
        const timeline = this.#timelines.get(key) ?? new Timeline(this.client, this.outbox, roomId, threadId);
        this.#timelines.delete(key);
        this.#timelines.set(key, timeline);
        for (const [id, oldest] of this.#timelines) {
            if (this.#timelines.size <= keptTimelines) break;
            oldest.close();
            this.#timelines.delete(id);
        }
        return timeline;
    }

    /** A room in detail. */
    details(roomId: string): Details {
        return new Details(this.client, roomId);
    }

    close(): void {
        for (const timeline of this.#timelines.values()) timeline.close();
        for (const part of [this.rooms, this.outbox, this.remembered, this.link, this.media, this.devices, this.privacy, this.rules, this.trust, this.emoji, this.beyond, this.#indexing, this.#glance, this.#tails]) part.close();
        this.#subscriptions.end();
        this.client.stopClient();
    }

    /** Ends the session on the server too, as far as it can be reached, and forgets it here. */
    async signOut(): Promise<void> {
        this.close();
        try {
            await this.client.logout(true);
        } catch {
            // it is forgotten here in any case
        }
        await this.client.clearStores().catch(() => undefined);
        await forgetAccount();
    }
}
