import { EventType } from "matrix-js-sdk";
import type { MatrixClient } from "matrix-js-sdk";
import { receiptOf } from "../store/discretion";
import { archiveTag, pinTag } from "../store/standing";
import type { Rules } from "./rules";

/** Where a person puts conversations: pinned, archived, muted, marked as unread. All of it is kept on the server, for every client. */
export class Sorting {
    constructor(
        readonly client: MatrixClient,
        readonly rules: Rules,
    ) {}

    pin(room: string, on: boolean): Promise<void> {
        return this.#tag(room, pinTag, archiveTag, on);
    }

    archive(room: string, on: boolean): Promise<void> {
        return this.#tag(room, archiveTag, pinTag, on);
    }

    /** Puts a room in one place, and takes it out of the other. */
    async #tag(room: string, tag: string, other: string, on: boolean): Promise<void> {
        if (!on) {
            await this.client.deleteRoomTag(room, tag);
            return;
        }
        if (other in (this.client.getRoom(room)?.tags ?? {})) await this.client.deleteRoomTag(room, other);
        await this.client.setRoomTag(room, tag, { order: 0.5 });
    }

    /** Mutes a room but for messages that mention the person. */
    async mute(room: string, on: boolean): Promise<void> {
        await this.rules.setRoom(room, on ? "mentions" : "usual");
    }

    /** Marks a room as unread, or everything in it as read. */
    async mark(room: string, unread: boolean): Promise<void> {
        if (!unread) {
            const newest = this.client.getRoom(room)?.getLastLiveEvent();
            if (newest) await this.client.sendReadReceipt(newest, receiptOf(this.client));
        }
        await this.client.setRoomAccountData(room, EventType.MarkedUnread, { unread });
    }
}
