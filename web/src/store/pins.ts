import { EventType, RoomStateEvent } from "matrix-js-sdk";
import type { MatrixClient, MatrixEvent } from "matrix-js-sdk";
import { pinnedIn } from "./acts";
import { Subscriptions } from "./subscriptions";
import { Value } from "./value";

/** What is pinned in a room: ids of events, the newest last. What they say, the timeline knows. */
export class Pins {
    readonly ids: Value<string[]>;

    constructor(
        readonly client: MatrixClient,
        readonly roomId: string,
    ) {
        this.ids = new Value(this.#now());
    }

    /** Listens until what it gives back is called. */
    open(): () => void {
        const subscriptions = new Subscriptions();
        subscriptions.on(this.client, RoomStateEvent.Events, (event: MatrixEvent) => {
            if (event.getRoomId() === this.roomId && event.getType() === (EventType.RoomPinnedEvents as string)) this.ids.set(this.#now());
        });
        this.ids.set(this.#now());
        return () => subscriptions.end();
    }

    #now(): string[] {
        return pinnedIn(this.client.getRoom(this.roomId) ?? undefined);
    }
}
