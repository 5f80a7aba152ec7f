import type { ReactNode } from "react";
import { Avatar } from "../../../components/Avatar";
import { useStrings } from "../../../strings";
import styles from "./Suggestions.module.css";

export interface Suggestion {
    key: string;
    face: { id: string; name: string } | { emoji: string };
    name: string;
    about: string;
}

export interface SuggestionsProps {
    id: string;
    options: Suggestion[];
    at: number;
    onChoose: (at: number) => void;
}

/** What may be meant by what is typed: people, rooms, emoji. The field has the focus; this shows where its arrow keys are. */
export function Suggestions({ id, options, at, onChoose }: SuggestionsProps): ReactNode {
    const words = useStrings().talk.mention;
    if (options.length === 0) return null;
    return (
        <ul className={styles.list} id={id} role="listbox" aria-label={words.people}>
            {options.map(({ key, face, name, about }, i) => (
                <li
                    key={key} id={`${id}-${i}`} role="option" aria-selected={i === at} className={styles.option}
                    onPointerDown={(event) => event.preventDefault()} onClick={() => onChoose(i)}
                >
                    {"emoji" in face ? <span className={styles.emoji}>{face.emoji}</span> : <Avatar id={face.id} name={face.name} size="small" />}
                    <span className={styles.name} dir="auto">{name}</span>
                    <span className={styles.about}>{about}</span>
                </li>
            ))}
        </ul>
    );
}
