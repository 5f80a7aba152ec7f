import type { MatrixClient, MatrixEvent, Room } from "matrix-js-sdk";

const most = 500; // limit: single events that are remembered | 500 | the oldest is asked for again

/** Single events that are spoken of and perhaps not loaded: what a reply answers, what is pinned. */
export class Events {
    readonly #known = new Map<string, MatrixEvent | "none">();
    readonly #coming = new Set<string>();

    constructor(
        readonly client: MatrixClient,
        readonly arrived: (id: string) => void,
    ) {}

    /** The event; "none" when there is none to see; undefined while it is being fetched, arrived tells when it has come. */
    get(room: Room, id: string): MatrixEvent | "none" | undefined {
        const event = room.findEventById(id) ?? room.getPendingEvents().find((pending) => pending.getId() === id) ?? this.#known.get(id);
        if (!event) void this.#fetch(room, id);
        return event;
    }

    async #fetch(room: Room, id: string): Promise<void> {
        if (this.#coming.has(id)) return;
        this.#coming.add(id);
        try {
            const raw = await this.client.fetchRoomEvent(room.roomId, id);
            const event = this.client.getEventMapper()(raw);
            await this.client.decryptEventIfNeeded(event);
            this.#keep(id, event);
        } catch (error) {
            if ((error as { httpStatus?: number }).httpStatus === undefined) {
                setTimeout(() => this.#coming.delete(id), 10_000); // the server was not reached: it may be asked again
                return;
            }
            this.#keep(id, "none");
        }
        this.#coming.delete(id);
        this.arrived(id);
    }

    #keep(id: string, event: MatrixEvent | "none"): void {
        this.#known.set(id, event);
        for (const oldest of this.#known.keys()) {
            if (this.#known.size <= most) break;
            this.#known.delete(oldest);
        }
    }
}
