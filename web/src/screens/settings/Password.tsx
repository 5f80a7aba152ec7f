import { useState } from "react";
import type { ReactNode, SyntheticEvent } from "react";
import { Button } from "../../components/Button";
import { Field } from "../../components/Field";
import { Note } from "../../components/Page";
import { Switch } from "../../components/Switch";
import { useSession } from "../../session/use";
import { useStrings } from "../../strings";
import { Buttons } from "./parts";
import styles from "./Settings.module.css";
import { useAct } from "./useAct";

const least = 8; // characters; a server that wants more says so

/** Another password. */
export function Password(): ReactNode {
    const { own } = useSession();
    const strings = useStrings();
    const words = strings.own.security;
    const [open, setOpen] = useState(false);
    const [old, setOld] = useState("");
    const [chosen, setChosen] = useState("");
    const [others, setOthers] = useState(false);
    const [done, setDone] = useState(false);
    const { busy, failed, run } = useAct();
    const submit = (event: SyntheticEvent): void => {
        event.preventDefault();
        void run(() => own.changePassword(old, chosen, others), () => {
            setOld("");
            setChosen("");
            setOpen(false);
            setDone(true);
        });
    };
    if (!open) {
        return (
            <>
                {done && <p role="status">{words.passwordChanged}</p>}
                <Buttons><Button onClick={() => setOpen(true)}>{words.changePassword}</Button></Buttons>
            </>
        );
    }
    return (
        <form className={styles.form} onSubmit={submit}>
            <Field label={words.oldPassword} type="password" value={old} onChange={(e) => setOld(e.target.value)} required autoFocus autoComplete="current-password" />
            <Field
                label={words.newPassword} type="password" value={chosen} onChange={(e) => setChosen(e.target.value)} required minLength={least} maxLength={512}
                hint={strings.outside.passwordHint(least)} autoComplete="new-password"
            />
            <Switch label={words.signOthersOut} hint={words.signOthersOutHint} on={others} onChange={setOthers} />
            {failed && <Note look="bad">{strings.create.failed}</Note>}
            <Buttons>
                <Button type="submit" look="main" busy={busy}>{words.changePassword}</Button>
                <Button onClick={() => setOpen(false)}>{strings.create.cancel}</Button>
            </Buttons>
        </form>
    );
}
