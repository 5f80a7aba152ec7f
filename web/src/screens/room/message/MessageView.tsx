import { Check, CheckCheck, Clock, CornerUpLeft, Ellipsis, SmilePlus } from "lucide-react";
import { useState } from "react";
import type { ReactNode } from "react";
import { Avatar, hueOf } from "../../../components/Avatar";
import { IconButton } from "../../../components/Button";
import type { Message } from "../../../store/items";
import { useLanguage, useStrings } from "../../../strings";
import { clock, exact } from "../../../strings/dates";
import { useConversing } from "../conversing";
import styles from "../ItemView.module.css";
import { lookOf } from "../media/wish";
import { Body } from "./Body";
import { QuoteView } from "./QuoteView";
import { Readers, Under } from "./Under";
import { Unsent } from "../Unsent";
import { useTouch } from "./useTouch";

/** One message: what it says, how far it has come, and what can be done with it. */
export function MessageView({ message, direct }: { message: Message; direct: boolean }): ReactNode {
    const { timeline, openMenu, openWho } = useConversing();
    const words = useStrings().room;
    const language = useLanguage();
    const [near, setNear] = useState(false); // the pointer or the focus is here: the tools are shown
    const touch = useTouch(() => openMenu(message, undefined), () => timeline.writing.reply(message.id));
    const faces = !direct && !message.mine;
    const file = message.gist.is === "file" ? { kind: lookOf(message.gist), caption: message.gist.caption } : undefined;
    const spoken = message.gist.is !== "deleted";
    return (
        <article
            className={styles.message} data-mine={message.mine ? "" : undefined} data-first={message.first ? "" : undefined}
            data-last={message.last ? "" : undefined} data-mentioned={message.mentioned ? "" : undefined} data-id={message.id} tabIndex={-1} {...touch}
            onMouseEnter={() => setNear(true)} onMouseLeave={() => setNear(false)} onFocus={() => setNear(true)}
            onBlur={(event) => !event.currentTarget.contains(event.relatedTarget) && setNear(false)}
        >
            {faces && <span className={styles.face}>{message.last && <Avatar id={message.sender} name={message.name} size="small" />}</span>}
            <div className={styles.column}>
                <div className={styles.bubble} data-holds={file?.kind} data-captioned={file?.caption && file.kind !== "location" ? "" : undefined}>
                    {faces && message.first ? <h2 className={styles.name} data-hue={hueOf(message.sender)} dir="auto">{message.name}</h2>
                    : <span className="unseen">{message.name}: </span>}
                    {message.reply && <QuoteView quote={message.reply} />}
                    <div className={styles.body} dir="auto">
                        <Body message={message} />
                        <span className={styles.end} dir="ltr">
                            {message.edited && <span>{words.edited}</span>}
                            <time dateTime={new Date(message.at).toISOString()} title={exact(message.at, language)}>{clock(message.at, language)}</time>
                            <ProgressMark message={message} />
                        </span>
                    </div>
                </div>
                <Under message={message} />
            </div>
            {near && spoken && <Tools message={message} />}
            {message.progress === "failed" && <Unsent txn={message.key} />}
            {message.readers.length > 0 && <div className={styles.readers}><Readers readers={message.readers} onOpen={() => openWho(message)} /></div>}
        </article>
    );
}

/** What is done most often, beside the message that is looked at. */
function Tools({ message }: { message: Message }): ReactNode {
    const { timeline, openMenu, openEmoji } = useConversing();
    const words = useStrings().talk;
    const there = message.way === "there";
    return (
        <div className={styles.tools} role="group" aria-label={words.actions}>
            {there && <IconButton label={words.react} onClick={(event) => openEmoji(message, place(event.currentTarget))}><SmilePlus size={18} /></IconButton>}
            {there && <IconButton label={words.reply} onClick={() => timeline.writing.reply(message.id)}><CornerUpLeft size={18} /></IconButton>}
            <IconButton label={words.more} aria-haspopup="menu" onClick={(event) => openMenu(message, place(event.currentTarget))}><Ellipsis size={18} /></IconButton>
        </div>
    );
}

function place(button: HTMLElement): { x: number; y: number } {
    const { left, bottom } = button.getBoundingClientRect();
    return { x: left, y: bottom };
}

function ProgressMark({ message }: { message: Message }): ReactNode {
    const words = useStrings().room;
    switch (message.progress) {
        case "waiting":
        case "sending":
            return <Clock size={13} role="img" aria-label={words[message.progress]} />;
        case "sent":
            return <Check size={15} role="img" aria-label={words.sent} />;
        case "read":
            return <CheckCheck size={15} role="img" aria-label={words.read} className={styles.read} />;
        default:
            return null;
    }
}
