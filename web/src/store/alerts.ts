import { MatrixEventEvent, RoomEvent, SyncState } from "matrix-js-sdk";
import type { IRoomTimelineData, MatrixClient, MatrixEvent, Room } from "matrix-js-sdk";
import { directRooms } from "./direct";
import { gistOf } from "./gist";
import type { Gist } from "./gist";
import { plainName } from "./names";
import { Subscriptions } from "./subscriptions";

const old = 10 * 60_000; // milliseconds after which a message that comes late is counted only, and not told of

/** Something the person is to be told of, by the account's push rules. */
export interface Alert {
    room: string;
    roomName: string;
    direct: boolean;
    who: string; // name
    gist: Gist | undefined; // undefined for an invitation
    important: boolean; // the rules want a sound
}

/** Watches what comes for what the person is to be told of. */
export class Alerts {
    readonly #subscriptions = new Subscriptions();

    constructor(
        readonly client: MatrixClient,
        readonly tell: (alert: Alert) => void,
    ) {
        this.#subscriptions.on(client, RoomEvent.Timeline, (event: MatrixEvent, room: Room | undefined, _start: boolean | undefined, _gone: boolean, data: IRoomTimelineData) => {
            if (room && data.liveEvent && this.#isNew(event)) this.#came(event, room);
        });
        this.#subscriptions.on(client, RoomEvent.MyMembership, (room: Room, now: string, before: string | undefined) => {
            if (now === "invite" && before !== "invite" && this.#isLive()) this.#invited(room);
        });
    }

    close(): void {
        this.#subscriptions.end();
    }

    /** What the first answer of the server brings is no news. */
    #isLive(): boolean {
        return [SyncState.Syncing, SyncState.Catchup].includes(this.client.getSyncState()!);
    }

    #isNew(event: MatrixEvent): boolean {
        return this.#isLive() && event.getSender() !== this.client.getSafeUserId() && Date.now() - event.getTs() < old;
    }

    /** Whether the person is told of it is in what was encrypted. */
    #came(event: MatrixEvent, room: Room): void {
        if (event.isEncrypted() && (event.isBeingDecrypted() || event.isDecryptionFailure() || event.shouldAttemptDecryption())) {
            event.once(MatrixEventEvent.Decrypted, () => !event.isDecryptionFailure() && this.#judge(event, room));
        } else {
            this.#judge(event, room);
        }
    }

    #judge(event: MatrixEvent, room: Room): void {
        const actions = this.client.getPushActionsForEvent(event);
        const gist = gistOf(event);
        if (!actions?.notify || !gist || room.hasUserReadEvent(this.client.getSafeUserId(), event.getId()!)) return;
        this.tell({ ...this.#about(room, event.getSender()!), gist, important: !!actions.tweaks.sound || !!actions.tweaks.highlight });
    }

    #invited(room: Room): void {
        const by = room.getMember(this.client.getSafeUserId())?.events.member?.getSender();
        this.tell({ ...this.#about(room, by ?? ""), gist: undefined, important: true });
    }

    #about(room: Room, sender: string): Pick<Alert, "room" | "roomName" | "direct" | "who"> {
        return {
            room: room.roomId, roomName: plainName(room.name), direct: directRooms(this.client).has(room.roomId),
            who: plainName(room.getMember(sender)?.name ?? sender),
        };
    }
}
