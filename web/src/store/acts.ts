import { EventType, RelationType } from "matrix-js-sdk";
import type { MatrixClient, MatrixEvent, Room } from "matrix-js-sdk";
import { contentOf, editOf, relationOf, typedOf } from "./content";
import type { Context } from "./drafts";
import { gistOf } from "./gist";
import { serverOf } from "./names";
import { stateOf } from "./state";
import type { Outbox } from "./outbox/outbox";
import { isPoll, pollContent, pollEnd, pollResponse, pollStart } from "./polls";

/** What a person can do in a conversation. What is sent shows by itself how far it has come. */
export class Acts {
    constructor(
        readonly client: MatrixClient,
        readonly outbox: Outbox,
        readonly roomId: string,
        readonly threadId: string | undefined,
    ) {}

    get #room(): Room | undefined {
        return this.client.getRoom(this.roomId) ?? undefined;
    }

    /** Sends any event into the conversation; resolves when it would survive a reload. */
    send(type: string, content: Record<string, unknown>): Promise<void> {
        return this.outbox.add(this.roomId, { type, content }).kept;
    }

    /** Says what was typed: as a message, an answer, or in the place of what was said before. */
    async say(typed: string, context: Context): Promise<void> {
        const own = this.client.getSafeUserId();
        const edited = context.edit ? this.#room?.findEventById(context.edit) : undefined;
        if (edited) {
            const toldBefore = (edited.getContent()["m.mentions"])?.user_ids ?? [];
            const content = await contentOf(typed, context.mentions);
            await this.send(EventType.RoomMessage, editOf(content, edited.getId()!, toldBefore));
            return;
        }
        const answered = context.reply ? this.#room?.findEventById(context.reply)?.getSender() : undefined;
        const content = await contentOf(typed, context.mentions, answered && answered !== own ? [answered] : []);
        await this.send(EventType.RoomMessage, { ...content, ...this.relation(context.reply) });
    }

    /** The relation to what is answered and to the thread, for whatever is sent here. */
    relation(reply?: string): { "m.relates_to"?: Record<string, unknown> } {
        const relation = relationOf(this.threadId, reply, this.#newestOfThread()?.getId());
        return relation ? { "m.relates_to": relation } : {};
    }

    #newestOfThread(): MatrixEvent | undefined {
        return this.threadId ? (this.#room?.getThread(this.threadId)?.lastReply((event) => event.status === null && event.isRelation(RelationType.Thread)) ?? undefined) : undefined;
    }

    #pending(id: string): MatrixEvent | undefined {
        return this.#room?.getPendingEvents().find((pending) => pending.getId() === id);
    }

    /** What was typed for a message of the person's own, to be typed on. */
    typedOf(id: string): ReturnType<typeof typedOf> {
        const event = this.#room?.findEventById(id);
        const gist = event && gistOf(event);
        return gist?.is === "text" ? typedOf(gist.text, gist.html, gist.manner) : { text: "", mentions: [] };
    }

    /** Puts a reaction on a message, or takes the person's own back: mine is its event. */
    async react(id: string, key: string, mine: string | undefined): Promise<void> {
        if (mine) await this.remove(mine);
        else await this.send(EventType.Reaction, { "m.relates_to": { rel_type: RelationType.Annotation, event_id: id, key } });
    }

    /** Deletes a message for everybody; one that was not sent is forgotten. */
    async remove(id: string): Promise<void> {
        const pending = this.#pending(id);
        if (pending) {
            this.outbox.cancel(pending.getTxnId() ?? "");
            return;
        }
        await this.outbox.add(this.roomId, { type: EventType.RoomRedaction, content: {}, redacts: id }).kept;
    }

    async askPoll(question: string, answers: string[], several: boolean, hidden: boolean): Promise<void> {
        await this.send(pollStart, { ...pollContent(question, answers, several, hidden), ...this.relation() });
    }

    async vote(poll: string, answers: string[]): Promise<void> {
        await this.send(pollResponse, { [pollResponse]: { answers }, "m.relates_to": { rel_type: RelationType.Reference, event_id: poll } });
    }

    async endPoll(poll: string, text: string): Promise<void> {
        await this.send(pollEnd, {
            [pollEnd]: {}, "org.matrix.msc1767.text": text, body: text,
            "m.relates_to": { rel_type: RelationType.Reference, event_id: poll },
        });
    }

    async pin(id: string, on: boolean): Promise<void> {
        const pinned = pinnedIn(this.#room).filter((other) => other !== id);
        await this.client.sendStateEvent(this.roomId, EventType.RoomPinnedEvents, { pinned: on ? [...pinned, id] : pinned });
    }

    /** Sends the same message into other rooms; whom it answered and named stays behind. */
    async forward(id: string, rooms: string[]): Promise<void> {
        const event = this.#room?.findEventById(id);
        if (!event) return;
        const left = ["m.relates_to", "m.mentions", "m.new_content"];
        const content = Object.fromEntries(Object.entries(event.getContent()).filter(([key]) => !left.includes(key)));
        await Promise.all(rooms.map((room) => this.outbox.add(room, { type: event.getType(), content: { ...content, "m.mentions": {} } }).kept));
    }

    /** What the person may do with a message. */
    rights(id: string): Rights {
        const room = this.#room;
        const event = room?.findEventById(id);
        const own = this.client.getSafeUserId();
        if (!room || !event) return { edit: false, remove: this.#pending(id) !== undefined, pin: false, pinned: false, write: false, forward: false };
        const mine = event.getSender() === own;
        const state = stateOf(room);
        const write = state.maySendMessage(own);
        const text = event.getType() === (EventType.RoomMessage as string) && ["m.text", "m.emote", "m.notice"].includes(String(event.getContent().msgtype));
        return {
            edit: mine && text && write,
            remove: mine ? state.maySendEvent(EventType.RoomRedaction, own) : state.maySendRedactionForEvent(event, own),
            pin: state.maySendStateEvent(EventType.RoomPinnedEvents, own),
            pinned: pinnedIn(room).includes(id),
            write,
            forward: !isPoll(event),
        };
    }

    /** Servers through which the room can be found, for links. */
    via(): string[] {
        const servers = new Set(this.#room?.getJoinedMembers().slice(0, 100).map((member) => serverOf(member.userId)));
        return [...servers].slice(0, 3);
    }
}

export interface Rights {
    edit: boolean;
    remove: boolean;
    pin: boolean;
    pinned: boolean;
    write: boolean;
    forward: boolean;
}

/** What is pinned in a room, the newest last. */
export function pinnedIn(room: Room | undefined): string[] {
    const { pinned }: { pinned?: unknown } = (room && stateOf(room).getStateEvents(EventType.RoomPinnedEvents, "")?.getContent()) ?? {};
    return Array.isArray(pinned) ? pinned.filter((id): id is string => typeof id === "string").slice(-100) : [];
}
