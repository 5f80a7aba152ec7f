import { useState } from "react";
import type { ReactNode } from "react";
import { Button } from "../../components/Button";
import { Field } from "../../components/Field";
import { Note } from "../../components/Page";
import type { About } from "../../session/entry";
import { useStrings } from "../../strings";
import styles from "./Outside.module.css";
import { Insecure } from "./Outside";
import { useEntry } from "./useEntry";

interface NewAccountProps {
    server: About;
    askToken: boolean;
    label: string;
    make: (name: string, password: string, token: string) => Promise<void>;
    children?: ReactNode;
}

/** Name and password of an account that is to be made. */
export function NewAccount({ server, askToken, label, make, children }: NewAccountProps): ReactNode {
    const words = useStrings().outside;
    const [name, setName] = useState("");
    const [password, setPassword] = useState("");
    const [token, setToken] = useState("");
    const least = server.min_password;
    const { busy, problem, submit } = useEntry("register", least, () => make(name.trim(), password, token.trim()));
    const general = problem("form") ?? (askToken ? undefined : problem("token"));
    return (
        <form className={styles.form} onSubmit={submit}>
            <Insecure />
            {general && <Note look="bad">{general}</Note>}
            {askToken && (
                <Field
                    label={words.invitation} hint={words.invitationHint} value={token} onChange={(e) => setToken(e.target.value)} required autoFocus
                    autoComplete="off" autoCapitalize="none" spellCheck={false} problem={problem("token")}
                />
            )}
            <Field
                label={words.name} hint={words.nameHint} before="@" after={`:${server.server_name}`} value={name}
                onChange={(e) => setName(e.target.value.toLowerCase())} required maxLength={200} autoFocus={!askToken}
                autoComplete="username" autoCapitalize="none" autoCorrect="off" spellCheck={false} problem={problem("name")}
            />
            <Field
                label={words.password} hint={words.passwordHint(least)} type="password" value={password}
                onChange={(e) => setPassword(e.target.value)} required minLength={least} maxLength={512} autoComplete="new-password" problem={problem("password")}
            />
            <Button type="submit" look="main" wide busy={busy}>{label}</Button>
            {children}
        </form>
    );
}
