import { MessagesSquare, SmilePlus } from "lucide-react";
import type { ReactNode } from "react";
import { Avatar } from "../../../components/Avatar";
import type { Message, Reader } from "../../../store/items";
import { useStrings } from "../../../strings";
import { gistText } from "../../../strings/gist";
import { useConversing } from "../conversing";
import styles from "./Under.module.css";

/** What stands under a message: reactions, its thread. */
export function Under({ message }: { message: Message }): ReactNode {
    return (
        <>
            {message.reactions.length > 0 && <Reactions message={message} />}
            {message.thread && <ThreadLine message={message} thread={message.thread} />}
        </>
    );
}

function Reactions({ message }: { message: Message }): ReactNode {
    const { timeline, openEmoji, openWho } = useConversing();
    const words = useStrings().talk.reactions;
    return (
        <div className={styles.reactions} role="group" aria-label={words.title}>
            {message.reactions.map(({ key, count, mine, who }) => (
                <button
                    key={key} type="button" className={styles.reaction} aria-pressed={mine !== undefined} title={who.slice(0, 12).join(", ")}
                    aria-label={mine ? words.take(key, count) : words.give(key, count)} onClick={() => void timeline.acts.react(message.id, key, mine)}
                    onContextMenu={(event) => { event.preventDefault(); event.stopPropagation(); openWho(message); }}
                >
                    <span className={styles.emoji}>{key.length > 24 ? `${key.slice(0, 20)}…` : key}</span>
                    {count > 1 && <span>{count}</span>}
                </button>
            ))}
            <button type="button" className={styles.addReaction} aria-label={words.add} title={words.add} onClick={(event) => openEmoji(message, { x: event.clientX, y: event.clientY })}>
                <SmilePlus size={16} />
            </button>
        </div>
    );
}

function ThreadLine({ message, thread }: { message: Message; thread: NonNullable<Message["thread"]> }): ReactNode {
    const { openThread } = useConversing();
    const strings = useStrings();
    const words = strings.talk.threads;
    return (
        <button type="button" className={styles.thread} onClick={() => openThread(message.id)}>
            <MessagesSquare size={16} />
            <b>{words.count(thread.count)}</b>
            {thread.last && <span className={styles.last} dir="auto">{thread.last.mine ? strings.talk.you : thread.last.who}: {gistText(thread.last.gist, strings, thread.last)}</span>}
            {thread.unread > 0 && <span className={styles.fresh}>{words.unread(thread.unread)}</span>}
        </button>
    );
}

const mostFaces = 4;

/** The faces of those who have read up to here. */
export function Readers({ readers, onOpen }: { readers: Reader[]; onOpen: (() => void) | undefined }): ReactNode {
    const words = useStrings().talk;
    if (readers.length === 0) return null;
    const label = readers.length <= mostFaces ? words.seenBy(readers.map((reader) => reader.name)) : words.readers(readers.length);
    const faces = (
        <>
            {readers.slice(0, mostFaces).map((reader) => <Avatar key={reader.id} id={reader.id} name={reader.name} size="small" />)}
            {readers.length > mostFaces && <span>+{readers.length - mostFaces}</span>}
        </>
    );
    if (!onOpen) return <div className={styles.readers} role="img" aria-label={label} title={label}>{faces}</div>;
    return <button type="button" className={styles.readers} aria-label={label} title={label} onClick={onOpen}>{faces}</button>;
}
