import { useState } from "react";
import type { ReactNode, SyntheticEvent } from "react";
import { Button } from "../../components/Button";
import { Dialog, DialogEnd, DialogText } from "../../components/Dialog";
import { Field } from "../../components/Field";
import type { Asked } from "../../session/confirmation";
import { useStrings } from "../../strings";
import styles from "./Verify.module.css";

/** The server wants to know that it is the person who asks for something grave. */
export default function ConfirmDialog({ asked }: { asked: Asked }): ReactNode {
    const strings = useStrings();
    const words = strings.own.confirm;
    const [password, setPassword] = useState("");
    const [opened, setOpened] = useState(false);
    const submit = (event: SyntheticEvent): void => {
        event.preventDefault();
        asked.answer(password);
    };
    if (asked.by === "page") {
        return (
            <Dialog title={words.title} onClose={asked.cancel}>
                <DialogText>{words.pageLead}</DialogText>
                <p><a href={asked.page} target="_blank" rel="noreferrer noopener" onClick={() => setOpened(true)}>{words.toPage}</a></p>
                <DialogEnd>
                    <Button onClick={asked.cancel}>{strings.create.cancel}</Button>
                    <Button look="main" disabled={!opened} onClick={() => asked.answer("")}>{words.done}</Button>
                </DialogEnd>
            </Dialog>
        );
    }
    return (
        <Dialog title={words.title} onClose={asked.cancel}>
            <DialogText>{words.lead}</DialogText>
            <form className={styles.form} onSubmit={submit}>
                <Field
                    label={words.password} type="password" value={password} onChange={(e) => setPassword(e.target.value)} required autoFocus autoComplete="current-password"
                    problem={asked.wrong ? words.wrong : undefined}
                />
                <DialogEnd>
                    <Button onClick={asked.cancel}>{strings.create.cancel}</Button>
                    <Button type="submit" look="main">{words.confirm}</Button>
                </DialogEnd>
            </form>
        </Dialog>
    );
}
