import { useEffect } from "react";
import type { RefObject } from "react";
import type { VirtualizerHandle } from "virtua";
import type { Item } from "../../store/items";
import type { Timeline } from "../../store/timeline";
import { useValue } from "../../store/value";

const tries = 20; // frames until a message that was scrolled to must have been drawn

/** Brings the message into sight that was asked for, and marks it for a moment. */
export function useFocusedMessage(timeline: Timeline, items: Item[], list: RefObject<VirtualizerHandle | null>, moving: () => void): void {
    const focus = useValue(timeline.focus);
    useEffect(() => {
        if (!focus) return;
        const index = items.findIndex((item) => (item.is === "message" && item.id === focus.id) || item.key === focus.id);
        if (index < 0) return;
        timeline.focus.set(undefined);
        moving();
        list.current?.scrollToIndex(index, { align: "center" });
        let left = tries;
        const mark = (): void => {
            const article = document.querySelector<HTMLElement>(`article[data-id="${CSS.escape(focus.id)}"]`);
            if (!article) {
                if (left-- > 0) requestAnimationFrame(mark);
                return;
            }
            article.dataset.flash = "";
            article.focus({ preventScroll: true });
            setTimeout(() => delete article.dataset.flash, 1600);
        };
        requestAnimationFrame(mark);
    }, [focus, items, list, moving, timeline]);
}
