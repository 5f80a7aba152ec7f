import { ReceiptType, Thread } from "matrix-js-sdk";
import type { MatrixEvent, Room } from "matrix-js-sdk";
import type { Around, Reader, Source } from "./items";
import { plainName } from "./names";

const faces = 30; // limit: readers that are named at one message | 30 | more are not told apart

/**
 * Who has read up to where, and where the person's own reading ends. at: where each source stands among the events; what was
 * read up to an event that is not shown was read up to the one before it.
 */
export function readingOf(
    events: MatrixEvent[], sources: Source[], at: number[], book: Room | Thread, own: string, nameOf: (user: string) => string,
): Pick<Around, "readers" | "read"> {
    const readers = new Map<number, Reader[]>();
    let read = -1;
    let place = -1; // of the source that stands at the event or before it
    for (const [i, event] of events.entries()) {
        while (place + 1 < at.length && at[place + 1]! <= i) place++;
        const sender = event.getSender();
        if (event.status !== null) continue; // not there yet: nobody can have read it
        const others = book.getReceiptsForEvent(event).filter((receipt) => receipt.userId !== own);
        if (place < 0) continue;
        if (others.length > 0 || (sender !== own && !event.isState())) read = place;
        for (const { userId } of others) {
            if (userId === sources[place]!.sender) continue; // who wrote it knows it
            const here = readers.get(place) ?? [];
            readers.set(place, here);
            if (here.length < faces && !here.some((reader) => reader.id === userId)) here.push({ id: userId, name: plainName(nameOf(userId)) });
        }
    }
    return { readers, read };
}

/**
 * Up to where the person has read. Of threads the SDK says that what came before the first receipt of any thread was read,
 * which hides the first answers of all; here only receipts count.
 */
export function readUpTo(book: Room | Thread, own: string): string | null {
    if (book instanceof Thread) return book.getReadReceiptForUserId(own)?.eventId ?? book.getReadReceiptForUserId(own, false, ReceiptType.ReadPrivate)?.eventId ?? null;
    return book.getEventReadUpTo(own);
}

/** The first source after what the person has read that somebody else has said; -1: none, or that place is not loaded. */
export function firstUnread(events: MatrixEvent[], sources: Source[], at: number[], readUpTo: string | null): number {
    if (!readUpTo) return -1;
    const end = events.findLastIndex((event) => event.getId() === readUpTo);
    if (end < 0) return -1;
    return sources.findIndex((source, i) => at[i]! > end && !source.mine && source.gist.is !== "news");
}
