import { useState } from "react";
import type { ReactNode } from "react";
import { Button } from "../../components/Button";
import { Field } from "../../components/Field";
import { Note, Page } from "../../components/Page";
import { ownServer, signIn } from "../../session/entry";
import { elsewherePath } from "../../store/place";
import { useStrings } from "../../strings";
import styles from "./Outside.module.css";
import { Insecure, toRegister } from "./Outside";
import type { EntryProps } from "./Outside";
import { useEntry } from "./useEntry";

export function SignIn({ server, onEnter }: EntryProps): ReactNode {
    const strings = useStrings();
    const words = strings.outside;
    const [name, setName] = useState("");
    const [password, setPassword] = useState("");
    const { busy, problem, submit } = useEntry("signIn", server.min_password, async () => {
        onEnter(await signIn(ownServer(), name.trim(), password), password);
    });
    const general = problem("form");
    return (
        <Page title={words.signInTitle} lead={words.signInLead(server.server_name)} foot={words.privacy}>
            <form className={styles.form} onSubmit={submit}>
                <Insecure />
                {general && <Note look="bad">{general}</Note>}
                <Field
                    label={words.name} value={name} onChange={(e) => setName(e.target.value)} required autoFocus
                    autoComplete="username" autoCapitalize="none" autoCorrect="off" spellCheck={false} problem={problem("name")}
                />
                <Field
                    label={words.password} type="password" value={password} onChange={(e) => setPassword(e.target.value)} required
                    autoComplete="current-password" problem={problem("password")}
                />
                <Button type="submit" look="main" wide busy={busy}>{words.signIn}</Button>
                {server.registration !== "closed" && <Button className={styles.other} onClick={toRegister}>{words.toRegister}</Button>}
                <a className={styles.elsewhere} href={elsewherePath}>{strings.own.elsewhere.link}</a>
            </form>
        </Page>
    );
}
