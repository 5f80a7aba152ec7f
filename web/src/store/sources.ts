import { EventStatus, EventType, RelationType } from "matrix-js-sdk";
import type { MatrixClient, MatrixEvent, Room, Thread } from "matrix-js-sdk";
import type { Events } from "./events";
import { gistOf } from "./gist";
import type { Gist } from "./gist";
import type { Quote, Reaction, Source, ThreadSummary } from "./items";
import { plainName } from "./names";
import type { PollBook } from "./pollbook";
import type { Outbox } from "./outbox/outbox";
import { readUpTo } from "./receipts";

/** Makes from events what the conversation shows of them, and remembers it until something of it changes. */
export class Sources {
    readonly #made = new WeakMap<MatrixEvent, Source | "nothing">();
    readonly #changed = new Set<string>(); // events that are to be made anew
    readonly #reactions = new Map<string, string>(); // to what they belong: a deleted one does not say it any more
    readonly #own: string;

    constructor(
        readonly client: MatrixClient,
        readonly outbox: Outbox,
        readonly room: Room,
        readonly events: Events,
        readonly polls: PollBook,
        readonly threadId: string | undefined,
    ) {
        this.#own = client.getSafeUserId();
    }

    /** Something of an event has changed, and of what it is about. */
    changed(event: MatrixEvent): void {
        const about = [event.getId(), event.getAssociatedId(), event.threadRootId, this.#reactions.get(event.getAssociatedId() ?? "")];
        for (const id of about) if (id) this.#changed.add(id);
    }

    changedId(id: string): void {
        this.#changed.add(id);
    }

    /** The sources of events, without those that nobody needs to see. i: where each stands among the events. */
    of(events: MatrixEvent[], skip: (gist: Gist) => boolean): { sources: Source[]; at: number[] } {
        const sources: Source[] = [];
        const at: number[] = [];
        const newest = events.findLast((event) => event.status === null)?.getTs() ?? 0;
        for (const [i, event] of events.entries()) {
            const source = this.#source(event);
            if (!source || skip(source.gist)) continue;
            sources.push(event.status === null ? source : this.#onItsWay(event, source, newest));
            at.push(i);
        }
        this.#changed.clear();
        return { sources, at };
    }

    /** What waits comes after what is there, whenever it was written. */
    #onItsWay(event: MatrixEvent, source: Source, newest: number): Source {
        const state = this.outbox.state.get().get(event.getTxnId() ?? "");
        return { ...source, way: state?.at ?? "there", at: Math.max(source.at, newest) };
    }

    #source(event: MatrixEvent): Source | undefined {
        const known = this.#made.get(event);
        if (known !== undefined && !this.#isChanged(event, known)) return known === "nothing" ? undefined : known;
        const made = this.#make(event);
        if (made && known && known !== "nothing" && JSON.stringify(made) === JSON.stringify(known)) return known;
        this.#made.set(event, made ?? "nothing");
        return made;
    }

    #isChanged(event: MatrixEvent, known: Source | "nothing"): boolean {
        if (this.#changed.size === 0) return false;
        return this.#changed.has("*") || this.#changed.has(event.getId()!) || (known !== "nothing" && known.reply !== undefined && this.#changed.has(known.reply.id));
    }

    #make(event: MatrixEvent): Source | undefined {
        const gist = gistOf(event);
        const sender = event.getSender();
        const id = event.getId();
        if (!gist || !sender || !id) return undefined;
        const whom = event.getStateKey();
        const gone = event.isRedacted();
        const spoken = gist.is !== "news" && !gone;
        return {
            key: event.getTxnId() ?? id,
            id,
            at: event.getTs(),
            sender,
            name: this.#name(sender),
            whom: whom ? this.#name(whom) : "",
            mine: sender === this.#own,
            gist,
            edited: event.replacingEvent() !== null && !gone,
            way: "there",
            reply: spoken ? this.#reply(event) : undefined,
            reactions: spoken ? this.#reactionsTo(id) : [],
            thread: spoken ? this.#thread(event) : undefined,
            poll: gist.is === "poll" ? this.polls.stateOf(event) : undefined,
            mentioned: spoken && this.#mentionsMe(event),
        };
    }

    #reply(event: MatrixEvent): Quote | undefined {
        const id = event.replyEventId;
        if (!id || event.getWireContent()["m.relates_to"]?.is_falling_back) return undefined; // it belongs to a thread, and answers nobody
        return this.quote(id);
    }

    /** What stands above a reply; without a gist while the event is being fetched. */
    quote(id: string): Quote {
        const event = this.events.get(this.room, id);
        if (event === undefined || event === "none") return { id, sender: "", name: "", mine: false, gist: event && { is: "deleted" } };
        const sender = event.getSender() ?? "";
        return { id, sender, name: this.#name(sender), mine: sender === this.#own, gist: gistOf(event) };
    }

    #reactionsTo(id: string): Reaction[] {
        const all = this.room.relations.getChildEventsForEvent(id, RelationType.Annotation, EventType.Reaction)?.getSortedAnnotationsByKey() ?? [];
        return all.flatMap(([key, set]): Reaction[] => {
            const events = [...set].filter((event) => !event.isRedacted() && event.status !== EventStatus.CANCELLED);
            for (const event of events) this.#reactions.set(event.getId()!, id);
            const who = [...new Set(events.map((event) => event.getSender()!))];
            if (who.length === 0) return [];
            return [{ key, count: who.length, mine: events.find((event) => event.getSender() === this.#own)?.getId(), who: who.map((user) => this.#name(user)) }];
        });
    }

    #thread(event: MatrixEvent): ThreadSummary | undefined {
        if (this.threadId) return undefined;
        const thread: Thread | null = this.room.getThread(event.getId()!);
        if (!thread || thread.length === 0) return undefined;
        const last = thread.replyToEvent;
        const gist = last ? gistOf(last) : undefined;
        const sender = last?.getSender() ?? "";
        return {
            count: thread.length,
            unread: this.#unreadIn(thread),
            last: gist ? { who: this.#name(sender), mine: sender === this.#own, gist } : undefined,
        };
    }

    /** The SDK's count leaves out what has come before it knew of the thread, and what is not to be told of. */
    #unreadIn(thread: Thread): number {
        const read = readUpTo(thread, this.#own);
        const place = thread.events.findLastIndex((event) => event.getId() === read || event.getSender() === this.#own);
        const joined = this.room.getMember(this.#own)?.events.member?.getTs() ?? 0;
        const since = Math.max(joined, this.room.getLastUnthreadedReceiptFor(this.#own)?.ts ?? 0);
        const fresh = thread.events.filter((event, i) => i > place && event.isRelation(RelationType.Thread) && event.getTs() > since && !event.isRedacted());
        return Math.max(fresh.length, this.room.getThreadUnreadNotificationCount(thread.id));
    }

    #mentionsMe(event: MatrixEvent): boolean {
        if (event.getSender() === this.#own) return false;
        const mentions = event.getContent()["m.mentions"] as { user_ids?: unknown; room?: unknown } | undefined;
        return mentions?.room === true || (Array.isArray(mentions?.user_ids) && mentions.user_ids.includes(this.#own));
    }

    #name(user: string): string {
        return plainName(this.room.getMember(user)?.name ?? user);
    }
}
