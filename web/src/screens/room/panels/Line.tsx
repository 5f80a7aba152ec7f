import type { ReactNode } from "react";
import { Avatar } from "../../../components/Avatar";
import { useLanguage } from "../../../strings";
import { brief } from "../../../strings/dates";
import styles from "./Panels.module.css";

interface LineProps {
    who: string;
    whoId: string;
    at: number;
    text: ReactNode;
    under?: string | undefined;
    onOpen: () => void;
    children?: ReactNode; // what else can be done with it
}

/** One message in a list beside the conversation; it leads there. */
export function Line({ who, whoId, at, text, under, onOpen, children }: LineProps): ReactNode {
    const language = useLanguage();
    return (
        <li className={styles.line}>
            <button type="button" className={styles.open} onClick={onOpen}>
                <Avatar id={whoId} name={who} size="small" />
                <span className={styles.words}>
                    <span className={styles.top}>
                        <b dir="auto">{who}</b>
                        {at > 0 && <time dateTime={new Date(at).toISOString()}>{brief(at, language)}</time>}
                    </span>
                    <span className={styles.text} dir="auto">{text}</span>
                    {under && <span className={styles.under} dir="auto">{under}</span>}
                </span>
            </button>
            {children}
        </li>
    );
}
