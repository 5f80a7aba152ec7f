import { Direction, NotificationCountType, ThreadEvent } from "matrix-js-sdk";
import type { MatrixClient, MatrixEvent, Room } from "matrix-js-sdk";
import type { Quote } from "./items";
import { soon } from "./soon";
import { Subscriptions } from "./subscriptions";
import type { Timeline } from "./timeline";
import { Value } from "./value";

export interface ThreadLine {
    root: string;
    quote: Quote;
    at: number; // of the newest answer
    summary: { count: number; unread: number } | undefined;
}

const page = 50; // threads that are asked for

/** The threads of a room, the one with the newest answer first. */
export class ThreadList {
    /** undefined until the server has said. */
    readonly state = new Value<ThreadLine[] | undefined>(undefined);
    #roots: MatrixEvent[] = [];

    constructor(
        readonly client: MatrixClient,
        readonly roomId: string,
        readonly timeline: Timeline,
    ) {}

    /** Asks, and listens until what it gives back is called. */
    open(): () => void {
        const room = this.client.getRoom(this.roomId);
        const subscriptions = new Subscriptions();
        if (!room) return () => undefined;
        const show = soon(() => this.#show(room));
        for (const event of [ThreadEvent.New, ThreadEvent.Update, ThreadEvent.NewReply, ThreadEvent.Delete] as const) subscriptions.on(room, event, show);
        void this.#ask(room).catch(() => undefined).then(() => this.#show(room));
        return () => subscriptions.end();
    }

    async #ask(room: Room): Promise<void> {
        const { chunk } = await this.client.createThreadListMessagesRequest(this.roomId, null, page, Direction.Backward);
        const mapper = this.client.getEventMapper();
        this.#roots = chunk.map((raw) => mapper(raw));
        await Promise.all(this.#roots.map((event) => this.client.decryptEventIfNeeded(event)));
        room.processThreadRoots(this.#roots, false);
    }

    #show(room: Room): void {
        const known = room.getThreads().filter((thread) => thread.length > 0);
        const ids = [...new Set([...known.map((thread) => thread.id), ...this.#roots.map((event) => event.getId()!)])];
        const lines = ids.map((root): ThreadLine => {
            const thread = room.getThread(root);
            const event = thread?.rootEvent ?? this.#roots.find((one) => one.getId() === root);
            return {
                root,
                quote: this.timeline.quote(root),
                at: (thread?.replyToEvent ?? event)?.getTs() ?? 0,
                summary: thread ? { count: thread.length, unread: room.getThreadUnreadNotificationCount(root, NotificationCountType.Total) } : undefined,
            };
        });
        this.state.set(lines.sort((a, b) => b.at - a.at));
    }
}
