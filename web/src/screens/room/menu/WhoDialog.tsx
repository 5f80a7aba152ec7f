import type { ReactNode } from "react";
import { Avatar } from "../../../components/Avatar";
import { Dialog } from "../../../components/Dialog";
import type { Message } from "../../../store/items";
import { useStrings } from "../../../strings";
import styles from "./MessageMenu.module.css";

/** Who has reacted to a message, with what; and who has read up to it. */
export function WhoDialog({ message, onClose }: { message: Message; onClose: () => void }): ReactNode {
    const words = useStrings().talk;
    const reacted = message.reactions.flatMap(({ key, who }) => who.map((name) => ({ key, name })));
    return (
        <Dialog title={reacted.length > 0 ? words.reactions.title : words.readBy} onClose={onClose}>
            {reacted.length > 0 && (
                <ul className={styles.who}>
                    {reacted.map(({ key, name }) => <li key={`${key} ${name}`}><span className={styles.key}>{key}</span><span dir="auto">{name}</span></li>)}
                </ul>
            )}
            {reacted.length > 0 && message.readers.length > 0 && <h3 className={styles.group}>{words.readBy}</h3>}
            {message.readers.length > 0 && (
                <ul className={styles.who}>
                    {message.readers.map(({ id, name }) => <li key={id}><Avatar id={id} name={name} size="small" /><span dir="auto">{name}</span></li>)}
                </ul>
            )}
        </Dialog>
    );
}
