import { SendHorizontal, Smile } from "lucide-react";
import { lazy, Suspense, useEffect, useLayoutEffect, useRef, useState } from "react";
import type { KeyboardEvent, ReactNode } from "react";
import { IconButton } from "../../../components/Button";
import { draftOf, keepDraft } from "../../../store/drafts";
import type { RoomSummary } from "../../../store/rooms";
import type { Timeline } from "../../../store/timeline";
import { useValue } from "../../../store/value";
import { useStrings } from "../../../strings";
import type { Point } from "../conversing";
import type { Target } from "../media/chosen";
import { canRecord, Recorder, StickerButton } from "../media/lazily";
import { pasted } from "../media/useTarget";
import { VoiceButton } from "../media/VoiceButton";
import { Adding } from "./Adding";
import styles from "./Composer.module.css";
import { ContextBar } from "./ContextBar";
import { formatted } from "./formatted";
import { Suggestions } from "./Suggestions";
import { useSuggestions } from "./useSuggestions";

const EmojiPopup = lazy(() => import("../emoji/EmojiPopup").then((file) => ({ default: file.EmojiPopup })));

const tallest = 200; // pixels that a draft grows to before it scrolls
const typingAgain = 15_000; // milliseconds after which the others are told again

interface ComposerProps {
    timeline: Timeline;
    room: RoomSummary;
    hint: string; // what the field is called
    target: Target; // where files go
}

/** Where a message is written. On a keyboard Enter sends it, and with Shift it begins a line. */
export function Composer({ timeline, room, hint, target }: ComposerProps): ReactNode {
    const strings = useStrings();
    const words = strings.room;
    const { writing } = timeline;
    const context = useValue(writing.context);
    const [text, setText] = useState(() => draftOf(writing.place));
    const [recording, setRecording] = useState(false);
    const [emojiAt, setEmojiAt] = useState<Point | undefined>(undefined);
    const area = useRef<HTMLTextAreaElement>(null);
    const told = useRef(0); // when the others were told that something is being typed; 0: they think not
    const editing = useRef(context.edit);

    useLayoutEffect(() => {
        const box = area.current;
        if (!box) return;
        box.style.height = "auto";
        box.style.height = `${Math.min(box.scrollHeight, tallest)}px`;
    }, [text]);

    useEffect(() => {
        void import("../../../store/markdown"); // what sending needs, while there is time
        if (matchMedia("(pointer: fine)").matches) area.current?.focus();
        return () => {
            if (told.current) timeline.typing(false);
            told.current = 0;
        };
    }, [timeline]);

    const tell = (on: boolean): void => {
        const now = Date.now();
        if (on ? now - told.current < typingAgain : !told.current) return;
        told.current = on ? now : 0;
        timeline.typing(on);
    };
    const change = (next: string): void => {
        setText(next);
        keepDraft(writing.place, next);
        tell(next !== "");
    };

    // What is edited comes into the field; what is answered only wants the focus there.
    useEffect(() => {
        const before = editing.current;
        editing.current = context.edit;
        if (context.edit && context.edit !== before) {
            const typed = timeline.acts.typedOf(context.edit);
            for (const { text: name, user } of typed.mentions) writing.mention(name, user);
            setText(typed.text);
        } else if (before && !context.edit) setText(draftOf(writing.place));
        if (context.edit ?? context.reply) area.current?.focus();
    }, [context.edit, context.reply, timeline, writing]);

    /** Puts something in the place of what stands between two places of the text; the cursor goes after it. */
    const put = (piece: string, from: number, to: number, select?: [number, number]): void => {
        const box = area.current!;
        change(text.slice(0, from) + piece + text.slice(to));
        const [start, end] = select ?? [from + piece.length, from + piece.length];
        requestAnimationFrame(() => {
            box.focus();
            box.setSelectionRange(start, end);
        });
    };
    const suggestions = useSuggestions(area, text, timeline, room, put);

    const send = (): void => {
        const message = text.trim();
        if (!message) return;
        const now = writing.context.get();
        writing.done();
        editing.current = undefined;
        setText("");
        tell(false);
        // The draft goes when the message is safe: a reload in between must not lose it.
        void timeline.acts.say(message, now).then(() => {
            if (draftOf(writing.place) === text) keepDraft(writing.place, "");
        });
        if (!now.edit) void timeline.toNewest();
        area.current?.focus();
    };
    const cancel = (): void => {
        if (context.edit) change("");
        writing.done();
        area.current?.focus();
    };
    const pressed = (event: KeyboardEvent<HTMLTextAreaElement>): void => {
        if (event.nativeEvent.isComposing || suggestions.pressed(event)) return;
        const box = event.currentTarget;
        const change = formatted(event, text, box.selectionStart, box.selectionEnd);
        if (change) {
            event.preventDefault();
            put(change.piece, change.from, change.to, change.select);
        } else if (event.key === "Escape" && (context.edit ?? context.reply)) {
            cancel();
        } else if (event.key === "ArrowUp" && text === "" && !context.edit) {
            const last = timeline.lastOwn();
            if (!last) return;
            event.preventDefault();
            writing.edit(last);
        } else if (event.key === "Enter" && !event.shiftKey && matchMedia("(pointer: fine)").matches) {
            event.preventDefault();
            send();
        }
    };
    const emoji = (button: HTMLElement): void => {
        const { right, top } = button.getBoundingClientRect();
        setEmojiAt({ x: right, y: top });
    };
    if (recording) {
        return (
            <div className={styles.composer}>
                <div className={styles.box}><Suspense><Recorder target={target} onDone={() => setRecording(false)} /></Suspense></div>
            </div>
        );
    }
    return (
        <form className={styles.composer} onSubmit={(event) => { event.preventDefault(); send(); }}>
            <Suggestions {...suggestions.list} />
            <ContextBar timeline={timeline} context={context} onCancel={cancel} />
            <div className={styles.box}>
                <Adding timeline={timeline} target={target} />
                <textarea
                    ref={area} rows={1} dir="auto" value={text} placeholder={hint} aria-label={hint} onChange={(e) => change(e.target.value)} onKeyDown={pressed}
                    onSelect={suggestions.moved} onBlur={suggestions.close} onPaste={(e) => pasted(e, target)} {...suggestions.field}
                />
                <IconButton label={strings.talk.emoji.title} className={styles.emoji} aria-haspopup="dialog" onClick={(event) => emoji(event.currentTarget)}><Smile size={22} /></IconButton>
                <Suspense><StickerButton target={target} encrypted={room.encrypted} /></Suspense>
                {text.trim() || context.edit || !canRecord() ? <button type="submit" className={styles.send} aria-label={words.send} title={words.send} disabled={!text.trim()}><SendHorizontal size={20} /></button>
                : <VoiceButton onRecord={() => setRecording(true)} />}
            </div>
            {emojiAt && (
                <Suspense>
                    <EmojiPopup
                        at={emojiAt} onClose={() => setEmojiAt(undefined)} onChoose={(chosen) => {
                            const box = area.current!;
                            if (matchMedia("(width < 48rem)").matches) setEmojiAt(undefined);
                            put(chosen, box.selectionStart, box.selectionEnd);
                        }}
                    />
                </Suspense>
            )}
        </form>
    );
}
