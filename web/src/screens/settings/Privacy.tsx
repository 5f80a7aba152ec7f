import { useEffect, useState } from "react";
import type { ReactNode, SyntheticEvent } from "react";
import { Button } from "../../components/Button";
import { Field } from "../../components/Field";
import { Switch } from "../../components/Switch";
import { useSession } from "../../session/use";
import { useValue } from "../../store/value";
import { useStrings } from "../../strings";
import { Failed, Part } from "./parts";
import styles from "./Settings.module.css";
import { useAct } from "./useAct";

/** What others see, and who may reach the person. */
export function Privacy(): ReactNode {
    const { privacy } = useSession();
    const state = useValue(privacy.state);
    const words = useStrings().own.privacy;
    const { failed, run } = useAct();
    const [canBlock, setCanBlock] = useState(true);
    useEffect(() => void privacy.canBlockInvites().then(setCanBlock, () => setCanBlock(false)), [privacy]);
    return (
        <>
            <Part title={words.seen}>
                <Failed when={failed} />
                <Switch label={words.receipts} hint={words.receiptsHint} on={state.receipts} onChange={(receipts) => void run(() => privacy.set({ receipts }))} />
                <Switch label={words.typing} on={state.typing} onChange={(typing) => void run(() => privacy.set({ typing }))} />
                <Switch label={words.presence} hint={words.presenceHint} on={state.presence} onChange={(presence) => void run(() => privacy.set({ presence }))} />
            </Part>
            <Part title={words.reach}>
                <Switch
                    label={words.invites} hint={canBlock ? words.invitesHint : words.noInvites} on={state.invites} disabled={!canBlock}
                    onChange={(allow) => void run(() => privacy.allowInvites(allow))}
                />
            </Part>
            <Part title={words.ignored} lead={words.ignoredLead}><Ignored people={state.ignored} /></Part>
        </>
    );
}

function Ignored({ people }: { people: string[] }): ReactNode {
    const { privacy } = useSession();
    const words = useStrings().own.privacy;
    const [typed, setTyped] = useState("");
    const [bad, setBad] = useState(false);
    const { busy, failed, run } = useAct();
    const submit = (event: SyntheticEvent): void => {
        event.preventDefault();
        const address = typed.trim();
        const fits = /^@[^:\s]+:\S+$/.test(address);
        setBad(!fits);
        if (fits) void run(() => privacy.ignore(address), () => setTyped(""));
    };
    return (
        <>
            {people.length === 0 ? <p>{words.nobody}</p> : (
                <ul className={styles.rows}>
                    {people.map((user) => (
                        <li key={user}>
                            <span className={styles.about} dir="ltr">{user}</span>
                            <Button disabled={busy} onClick={() => void run(() => privacy.hear(user))}>{words.hear(user.slice(1).split(":")[0]!)}</Button>
                        </li>
                    ))}
                </ul>
            )}
            <form className={styles.form} onSubmit={submit}>
                <Field
                    label={words.address} hint={words.addressHint} problem={bad ? words.badAddress : undefined} value={typed} onChange={(e) => setTyped(e.target.value)}
                    autoComplete="off" autoCapitalize="none" autoCorrect="off" spellCheck={false} dir="ltr"
                />
                <Failed when={failed} />
                <Button type="submit" busy={busy} disabled={!typed.trim()}>{words.ignore}</Button>
            </form>
        </>
    );
}
