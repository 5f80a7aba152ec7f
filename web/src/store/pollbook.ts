import { MatrixEventEvent, RoomEvent } from "matrix-js-sdk";
import type { MatrixClient, MatrixEvent, Room } from "matrix-js-sdk";
import { ballotOf, isEnd, isVote, questionOf, tally } from "./polls";
import type { PollState } from "./polls";
import { stateOf } from "./state";
import { Subscriptions } from "./subscriptions";

/**
 * The votes of a room's polls: those that come, and, once a poll is shown, all that the server has. The SDK's collections of
 * relations cannot be used: they know votes of one name each, and only those that were loaded.
 */
export class PollBook {
    readonly #votes = new Map<string, Map<string, MatrixEvent>>(); // by poll, by event
    readonly #asked = new Set<string>();
    readonly #subscriptions = new Subscriptions();

    constructor(
        readonly client: MatrixClient,
        readonly room: Room,
        readonly changed: (poll: string) => void,
    ) {
        const look = (event: MatrixEvent): void => {
            if (event.getRoomId() === room.roomId) this.#take(event);
        };
        this.#subscriptions.on(room, RoomEvent.Timeline, look);
        this.#subscriptions.on(room, RoomEvent.LocalEchoUpdated, look);
        this.#subscriptions.on(client, MatrixEventEvent.Decrypted, look);
    }

    close(): void {
        this.#subscriptions.end();
    }

    #take(event: MatrixEvent): void {
        const poll = event.getRelation()?.event_id;
        if (!poll || (!isVote(event) && !isEnd(event))) return;
        const votes = this.#votes.get(poll) ?? new Map<string, MatrixEvent>();
        this.#votes.set(poll, votes);
        for (const [id, known] of votes) if (known === event) votes.delete(id); // it has got its id from the server
        votes.set(event.getId()!, event);
        this.changed(poll);
    }

    /** How the poll stands, as far as it is known here; the rest is asked for, once. */
    stateOf(poll: MatrixEvent): PollState {
        const id = poll.getId()!;
        if (!this.#asked.has(id) && poll.status === null) void this.#ask(id);
        const me = this.client.getSafeUserId();
        const events = [...(this.#votes.get(id)?.values() ?? [])].filter((event) => !event.isRedacted());
        const ends = events.filter((event) => isEnd(event) && this.#mayEnd(poll, event.getSender()!)).map((event) => event.getTs());
        return tally(questionOf(poll), events.filter(isVote).map(ballotOf), me, ends.length > 0 ? Math.min(...ends) : undefined, this.#mayEnd(poll, me));
    }

    #mayEnd(poll: MatrixEvent, user: string): boolean {
        return poll.getSender() === user || stateOf(this.room).maySendRedactionForEvent(poll, user);
    }

    async #ask(poll: string): Promise<void> {
        this.#asked.add(poll);
        try {
            for (let from: string | undefined, pages = 0; pages < 20; pages++) {
                const page = await this.client.relations(this.room.roomId, poll, "m.reference", undefined, { from });
                await Promise.all(page.events.map((event) => this.client.decryptEventIfNeeded(event)));
                for (const event of page.events) this.#take(event);
                from = page.nextBatch ?? undefined;
                if (!from) break;
            }
        } catch {
            this.#asked.delete(poll); // the next look asks again
        }
    }
}
