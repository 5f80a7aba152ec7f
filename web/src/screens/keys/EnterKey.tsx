import { MonitorSmartphone } from "lucide-react";
import { useState } from "react";
import type { SyntheticEvent, ReactNode } from "react";
import { Button } from "../../components/Button";
import { Dialog, DialogEnd, DialogText } from "../../components/Dialog";
import { Field } from "../../components/Field";
import { Note, Page } from "../../components/Page";
import { useSession } from "../../session/use";
import { useStrings } from "../../strings";
import styles from "./Keys.module.css";

/** Asks a new device's person for the recovery key. */
export function EnterKey(): ReactNode {
    const { keys, verification } = useSession();
    const strings = useStrings();
    const { unlock } = strings.own;
    const words = useStrings().keys;
    const other = useStrings().refused.unreachable;
    const [typed, setTyped] = useState("");
    const [busy, setBusy] = useState(false);
    const [problem, setProblem] = useState<string>();
    const [asking, setAsking] = useState(false);
    const [failed, setFailed] = useState(false);
    const reset = async (): Promise<void> => {
        setAsking(false);
        setBusy(true);
        setFailed(false);
        await keys.reset().catch((error: unknown) => setFailed(!(error instanceof Error && error.name === "Cancelled")));
        setBusy(false);
    };
    const submit = async (event: SyntheticEvent): Promise<void> => {
        event.preventDefault();
        setBusy(true);
        setProblem(undefined);
        try {
            if (!(await keys.unlock(typed))) setProblem(words.wrong);
        } catch {
            setProblem(other);
        }
        setBusy(false);
    };
    return (
        <Page title={words.enterTitle} lead={words.enterLead}>
            <form className={styles.form} onSubmit={(event) => void submit(event)}>
                <Field
                    label={words.field} value={typed} onChange={(e) => setTyped(e.target.value)} required autoFocus problem={problem}
                    autoComplete="off" autoCapitalize="none" spellCheck={false} className={styles.typed}
                />
                <Button type="submit" look="main" wide busy={busy}>{words.unlock}</Button>
            </form>
            <div className={styles.ways}>
                <p>{unlock.byDeviceHint}</p>
                <Button wide onClick={() => void verification.askOwn()}><MonitorSmartphone size={18} />{unlock.byDevice}</Button>
                {failed && <Note look="bad">{strings.create.failed}</Note>}
                <div className={styles.pair}>
                    <Button className={styles.quiet} disabled={busy} onClick={() => setAsking(true)}>{unlock.lost}</Button>
                    <Button className={styles.quiet} onClick={() => keys.later()}>{words.later}</Button>
                </div>
            </div>
            {asking && (
                <Dialog title={unlock.resetTitle} onClose={() => setAsking(false)}>
                    <DialogText>{unlock.resetLead}</DialogText>
                    <DialogEnd>
                        <Button onClick={() => setAsking(false)}>{strings.create.cancel}</Button>
                        <Button look="bad" onClick={() => void reset()}>{unlock.reset}</Button>
                    </DialogEnd>
                </Dialog>
            )}
        </Page>
    );
}
