import type { ReactNode } from "react";
import { useSession } from "../../session/use";
import type { Unreadable } from "../../store/gist";
import { useValue } from "../../store/value";
import { useStrings } from "../../strings";
import styles from "./Verify.module.css";

/** What the person can do so that a message can be read; nothing when it is not in their hands. */
export function UnreadableHelp({ why }: { why: Unreadable }): ReactNode {
    const { keys, verification } = useSession();
    const { at } = useValue(keys.state);
    const words = useStrings().own.unreadable;
    if (at !== "later") return null;
    if (why === "locked" || why === "before") return <button type="button" className={styles.help} onClick={() => keys.ask()}>{words.lockedAct}</button>;
    if (why === "withheld") return <button type="button" className={styles.help} onClick={() => void verification.askOwn()}>{words.withheldAct}</button>;
    return null;
}
