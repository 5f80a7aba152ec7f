import { useState } from "react";
import type { ReactNode, SyntheticEvent } from "react";
import { Button } from "../../components/Button";
import { Dialog, DialogEnd } from "../../components/Dialog";
import { Field } from "../../components/Field";
import { Note } from "../../components/Page";
import { saveFile } from "../../components/saveFile";
import { useSession } from "../../session/use";
import { useStrings } from "../../strings";
import styles from "./Settings.module.css";
import { useAct } from "./useAct";

const least = 8; // characters of a passphrase

export function ExportKeys({ onClose }: { onClose: () => void }): ReactNode {
    const { keys } = useSession();
    const strings = useStrings();
    const words = strings.own.security;
    const [typed, setTyped] = useState("");
    const [again, setAgain] = useState("");
    const [different, setDifferent] = useState(false);
    const { busy, failed, run } = useAct();
    const save = async (): Promise<void> => saveFile(new Blob([await keys.exportTo(typed)], { type: "text/plain" }), words.keyFileName);
    const submit = (event: SyntheticEvent): void => {
        event.preventDefault();
        setDifferent(typed !== again);
        if (typed === again) void run(save, onClose);
    };
    return (
        <Dialog title={words.exportKeys} onClose={onClose}>
            <form className={styles.form} onSubmit={submit}>
                <Field
                    label={words.passphrase} hint={words.passphraseHint} type="password" value={typed} onChange={(e) => setTyped(e.target.value)} required minLength={least}
                    autoFocus autoComplete="new-password"
                />
                <Field
                    label={words.again} type="password" value={again} onChange={(e) => setAgain(e.target.value)} required autoComplete="new-password"
                    problem={different ? words.different : undefined}
                />
                {failed && <Note look="bad">{strings.create.failed}</Note>}
                <DialogEnd>
                    <Button onClick={onClose}>{strings.create.cancel}</Button>
                    <Button type="submit" look="main" busy={busy}>{words.exportNow}</Button>
                </DialogEnd>
            </form>
        </Dialog>
    );
}

export function ImportKeys({ onClose }: { onClose: () => void }): ReactNode {
    const { keys } = useSession();
    const strings = useStrings();
    const words = strings.own.security;
    const [file, setFile] = useState<File>();
    const [typed, setTyped] = useState("");
    const [progress, setProgress] = useState<[done: number, all: number]>();
    const [count, setCount] = useState<number>();
    const [bad, setBad] = useState<"format" | "passphrase">();
    const { busy, failed, run } = useAct();
    const read = async (): Promise<void> => {
        const outcome = await keys.importFrom(await file!.text(), typed, (done, all) => setProgress([done, all]));
        if (typeof outcome === "number") setCount(outcome);
        else setBad(outcome);
    };
    const submit = (event: SyntheticEvent): void => {
        event.preventDefault();
        setBad(undefined);
        if (file) void run(read);
    };
    if (count !== undefined) {
        return (
            <Dialog title={words.importKeys} onClose={onClose}>
                <p role="status">{words.imported(count)}</p>
                <DialogEnd><Button look="main" onClick={onClose}>{strings.own.settings.close}</Button></DialogEnd>
            </Dialog>
        );
    }
    return (
        <Dialog title={words.importKeys} onClose={onClose}>
            <form className={styles.form} onSubmit={submit}>
                <label className={styles.file}>
                    <span>{words.file}</span>
                    <input type="file" required accept=".txt,text/plain" onChange={(e) => setFile(e.target.files?.[0])} />
                </label>
                {bad === "format" && <Note look="bad">{words.badFile}</Note>}
                <Field
                    label={words.passphrase} type="password" value={typed} onChange={(e) => setTyped(e.target.value)} required autoComplete="off"
                    problem={bad === "passphrase" ? words.badPassphrase : undefined}
                />
                {progress && busy && <p role="status">{words.importing(...progress)}</p>}
                {failed && <Note look="bad">{strings.create.failed}</Note>}
                <DialogEnd>
                    <Button onClick={onClose}>{strings.create.cancel}</Button>
                    <Button type="submit" look="main" busy={busy} disabled={!file}>{words.importNow}</Button>
                </DialogEnd>
            </form>
        </Dialog>
    );
}
