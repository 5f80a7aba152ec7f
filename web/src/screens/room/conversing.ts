import { createContext, useContext } from "react";
import type { Message } from "../../store/items";
import type { RoomSummary } from "../../store/rooms";
import type { Timeline } from "../../store/timeline";

/** Where a menu opens. */
export interface Point {
    x: number;
    y: number;
}

/** A conversation on the screen, for what is shown inside it. The object stays the same while the conversation does. */
export interface Conversing {
    timeline: Timeline;
    room: () => RoomSummary;
    /** Shows what can be done with a message; at a point, or as a sheet from below. */
    openMenu: (message: Message, at: Point | undefined) => void;
    openEmoji: (message: Message, at: Point) => void;
    openWho: (message: Message) => void;
    openThread: (root: string) => void;
    openDate: (at: number) => void;
}

export const ConversingContext = createContext<Conversing | undefined>(undefined);

export function useConversing(): Conversing {
    const conversing = useContext(ConversingContext);
    if (!conversing) throw new Error("bug: there is no conversation here");
    return conversing;
}
