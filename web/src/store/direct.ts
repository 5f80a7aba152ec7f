import { EventType } from "matrix-js-sdk";
import type { MatrixClient } from "matrix-js-sdk";

/** The conversations of two, each with the other person. */
export function directRooms(client: MatrixClient): Map<string, string> {
    const content = client.getAccountData(EventType.Direct)?.getContent<Record<string, unknown>>() ?? {};
    return new Map(
        Object.entries(content).flatMap(([user, rooms]) => (Array.isArray(rooms) ? rooms.map((room): [string, string] => [String(room), user]) : [])),
    );
}
