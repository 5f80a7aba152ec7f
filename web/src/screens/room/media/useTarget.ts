import { useMemo } from "react";
import { filesIn, offer } from "./chosen";
import type { Timeline } from "../../../store/timeline";
import type { Target } from "./chosen";

/** A conversation, or a thread, as where something is sent to: the first of several answers what is being answered. */
export const useTarget = (timeline: Timeline): Target => useMemo(() => ({
    key: timeline.writing.place,
    room: timeline.roomId,
    take: () => {
        const { reply } = timeline.writing.context.get();
        if (reply) timeline.writing.done();
        return { first: timeline.acts.relation(reply), rest: timeline.acts.relation() };
    },
}), [timeline]);

/** Files that are pasted where one writes are asked about. */
export function pasted(event: Pick<ClipboardEvent, "clipboardData" | "preventDefault">, target: Target): void {
    const files = filesIn(event.clipboardData);
    if (files.length === 0) return;
    event.preventDefault();
    offer(target, files);
}
