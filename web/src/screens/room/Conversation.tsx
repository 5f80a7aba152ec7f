import { ArrowDown } from "lucide-react";
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import type { KeyboardEvent, MouseEvent, ReactNode } from "react";
import { Virtualizer } from "virtua";
import type { VirtualizerHandle } from "virtua";
import { IconButton } from "../../components/Button";
import { Waiting } from "../../components/Page";
import type { Item, Message } from "../../store/items";
import type { Timeline } from "../../store/timeline";
import { useValue } from "../../store/value";
import { useStrings } from "../../strings";
import { useConversing } from "./conversing";
import styles from "./Conversation.module.css";
import { ItemView } from "./ItemView";
import { useFocusedMessage } from "./useFocusedMessage";

const above = 16; // pixels before the first message at least, as .space says
const near = 2400; // pixels before an end at which more messages are fetched
const close = 40; // pixels from the end that still count as the end

/** The messages of a conversation. It stays at the end when it is there, and where it is when it is not. */
export function Conversation({ timeline, direct, label }: { timeline: Timeline; direct: boolean; label: string }): ReactNode {
    const { items, shifted, loading, older, newer, unread } = useValue(timeline.state);
    const { openMenu } = useConversing();
    const words = useStrings();
    const scroller = useRef<HTMLDivElement>(null);
    const list = useRef<VirtualizerHandle>(null);
    const atEnd = useRef(true);
    const placed = useRef(false); // where the person begins to read has been found
    const [away, setAway] = useState(false);
    const count = items.length;

    const toEnd = useCallback(() => {
        if (count > 0) list.current?.scrollToIndex(count - 1, { align: "end" });
    }, [count]);

    useLayoutEffect(() => timeline.visit(), [timeline]); // before anything is read

    const seen = useCallback(() => {
        if (atEnd.current && newer === "none" && isLookedAt()) timeline.read();
    }, [newer, timeline]);

    const scrolled = (offset: number): void => {
        const box = list.current;
        if (!box) return;
        const left = box.scrollSize - offset - box.viewportSize;
        atEnd.current = left < close && newer === "none";
        setAway(left > box.viewportSize || newer !== "none");
        if (offset < near && older === "some") void timeline.more();
        if (left < near && newer === "some") void timeline.later();
        seen();
    };

    useLayoutEffect(() => {
        if (!placed.current && count > 0) {
            placed.current = true;
            const fresh = items.findIndex((item) => item.is === "unread");
            if (fresh > 0 && !timeline.focus.get()) {
                list.current?.scrollToIndex(fresh, { align: "start", offset: -48 });
                const box = list.current;
                atEnd.current = !box || box.scrollSize - box.scrollOffset - box.viewportSize < close;
                return;
            }
        }
        if (atEnd.current) toEnd();
        const box = list.current;
        if (box && box.scrollSize < box.viewportSize + near) void timeline.more();
        seen();
    }, [items, count, timeline, toEnd, seen]);

    useFocusedMessage(timeline, items, list, () => {
        atEnd.current = false;
    });

    useEffect(() => {
        const box = scroller.current;
        if (!box) return;
        const resized = new ResizeObserver(() => atEnd.current && toEnd()); // the keyboard, or a longer draft
        resized.observe(box);
        const back = (): void => {
            if (document.visibilityState === "visible") timeline.visit(); // what came meanwhile is new
            seen();
        };
        addEventListener("focus", seen);
        document.addEventListener("visibilitychange", back);
        return () => {
            resized.disconnect();
            removeEventListener("focus", seen);
            document.removeEventListener("visibilitychange", back);
        };
    }, [timeline, toEnd, seen]);

    const newest = async (): Promise<void> => {
        atEnd.current = true;
        await timeline.toNewest();
        toEnd();
    };
    const menu = (event: MouseEvent): void => {
        const target = event.target as HTMLElement;
        const message = messageAt(target, items);
        if (!message || target.closest("a, textarea, input, video, audio") || !getSelection()?.isCollapsed) return; // the browser's own is better there
        event.preventDefault();
        if (!matchMedia("(pointer: coarse)").matches) openMenu(message, { x: event.clientX, y: event.clientY });
    };
    const pressed = (event: KeyboardEvent): void => {
        const target = event.target as HTMLElement;
        if (event.key === "ArrowUp" || event.key === "ArrowDown") {
            if (target !== scroller.current && !target.matches("article")) return;
            const next = neighbour(scroller.current!, target, event.key === "ArrowUp" ? -1 : 1);
            if (!next) return;
            event.preventDefault();
            next.focus();
            next.scrollIntoView({ block: "nearest" });
        } else if ((event.key === "Enter" || event.key === "ContextMenu") && target.matches("article")) {
            const message = messageAt(target, items);
            const { left, bottom } = target.querySelector("time")!.getBoundingClientRect();
            if (!message) return;
            event.preventDefault();
            openMenu(message, { x: left, y: bottom });
        }
    };

    if (loading) return <Waiting label={words.room.timeline} />;
    return (
        <div className={styles.frame}>
            <div className={styles.scroller} ref={scroller} role="log" aria-label={label} aria-busy={older === "coming"} tabIndex={0} onContextMenu={menu} onKeyDown={pressed}>
                <div className={styles.space} />
                <Virtualizer ref={list} scrollRef={scroller} startMargin={above} shift={shifted} onScroll={scrolled}>
                    {items.map((item) => <ItemView key={item.key} item={item} direct={direct} />)}
                </Virtualizer>
            </div>
            {older === "coming" && <span className={styles.older} role="status"><span className="unseen">{words.room.older}</span></span>}
            {away && (
                <IconButton label={words.room.toEnd} className={styles.toEnd} onClick={() => void newest()}>
                    <ArrowDown size={20} />
                    {unread > 0 && <span className={styles.count}>{unread > 99 ? "99+" : unread}</span>}
                </IconButton>
            )}
        </div>
    );
}

const isLookedAt = (): boolean => document.visibilityState === "visible" && document.hasFocus();

function messageAt(element: HTMLElement, items: Item[]): Message | undefined {
    const id = element.closest<HTMLElement>("article[data-id]")?.dataset.id;
    return items.find((item): item is Message => item.is === "message" && item.id === id);
}

/** The message before or after one; without one, the last that is in sight. */
function neighbour(log: HTMLElement, from: HTMLElement, step: -1 | 1): HTMLElement | undefined {
    const all = [...log.querySelectorAll<HTMLElement>("article")];
    const at = all.indexOf(from);
    if (at >= 0) return all[at + step];
    const { bottom } = log.getBoundingClientRect();
    return all.findLast((article) => article.getBoundingClientRect().top < bottom - close);
}
