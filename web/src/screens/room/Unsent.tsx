import { CircleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { useSession } from "../../session/use";
import { useValue } from "../../store/value";
import { useStrings } from "../../strings";
import styles from "./Unsent.module.css";

/** Why a message was not sent, and what can be done about it. */
export function Unsent({ txn }: { txn: string }): ReactNode {
    const { outbox } = useSession();
    const state = useValue(outbox.state).get(txn);
    const words = useStrings().room;
    if (state?.at !== "failed") return null;
    return (
        <p className={styles.unsent} role="status">
            <CircleAlert size={14} />
            <span>{words.refusedBecause[state.why]}</span>
            <button type="button" onClick={() => outbox.retry(txn)}>{words.resend}</button>
            <button type="button" onClick={() => outbox.cancel(txn)}>{words.cancelSend}</button>
        </p>
    );
}
