import { useEffect, useState } from "react";
import type { ReactNode, SyntheticEvent } from "react";
import { Button } from "../../components/Button";
import { Field } from "../../components/Field";
import { Note, Page, Waiting } from "../../components/Page";
import { cameBack, discover, goToPage } from "../../session/discovery";
import type { Homeserver } from "../../session/discovery";
import { signIn, signInByToken } from "../../session/entry";
import { useStrings } from "../../strings";
import styles from "./Outside.module.css";
import { Insecure } from "./Outside";
import type { EntryProps } from "./Outside";
import { useEntry } from "./useEntry";

type Enter = Pick<EntryProps, "onEnter">;

const back = cameBack();

/** Signing in to a server that is not this one. */
export default function Elsewhere({ onEnter }: Enter): ReactNode {
    const strings = useStrings();
    const words = strings.own.elsewhere;
    const [server, setServer] = useState<Homeserver>();
    const [returning, setReturning] = useState(back !== undefined);
    useEffect(() => {
        if (!back) return;
        signInByToken(back.base, back.token).then((account) => onEnter(account, ""), () => setReturning(false));
    }, [onEnter]);
    if (returning) return <Waiting label={strings.link.loading} />;
    return (
        <Page title={words.title} lead={server ? words.on(server.name) : words.lead} foot={strings.outside.privacy}>
            {server ? <Into server={server} onEnter={onEnter} onOther={() => setServer(undefined)} /> : <Which onFound={setServer} />}
            <a className={styles.elsewhere} href="/">{words.here(location.host)}</a>
        </Page>
    );
}

function Which({ onFound }: { onFound: (server: Homeserver) => void }): ReactNode {
    const words = useStrings().own.elsewhere;
    const [typed, setTyped] = useState("");
    const [busy, setBusy] = useState(false);
    const [problem, setProblem] = useState<string>();
    const submit = (event: SyntheticEvent): void => {
        event.preventDefault();
        setBusy(true);
        setProblem(undefined);
        discover(typed).then(
            (server) => {
                if (server.base === location.origin) location.assign("/");
                else onFound(server);
            },
            () => {
                setProblem(words.notFound);
                setBusy(false);
            },
        );
    };
    return (
        <form className={styles.form} onSubmit={submit}>
            <Field
                label={words.server} hint={words.serverHint} value={typed} onChange={(e) => setTyped(e.target.value)} required autoFocus problem={problem}
                autoComplete="url" autoCapitalize="none" autoCorrect="off" spellCheck={false} inputMode="url" dir="ltr"
            />
            <Button type="submit" look="main" wide busy={busy}>{words.go}</Button>
        </form>
    );
}

function Into({ server, onEnter, onOther }: Enter & { server: Homeserver; onOther: () => void }): ReactNode {
    const strings = useStrings();
    const words = strings.own.elsewhere;
    const { outside } = strings;
    const [name, setName] = useState("");
    const [password, setPassword] = useState("");
    const { busy, problem, submit } = useEntry("signIn", 1, async () => onEnter(await signIn(server.base, name.trim(), password), password));
    const general = problem("form");
    return (
        <form className={styles.form} onSubmit={submit}>
            <Insecure />
            {general && <Note look="bad">{general}</Note>}
            {server.password && (
                <>
                    <Field
                        label={outside.name} value={name} onChange={(e) => setName(e.target.value)} required autoFocus problem={problem("name")}
                        autoComplete="username" autoCapitalize="none" autoCorrect="off" spellCheck={false}
                    />
                    <Field
                        label={outside.password} type="password" value={password} onChange={(e) => setPassword(e.target.value)} required
                        autoComplete="current-password" problem={problem("password")}
                    />
                    <Button type="submit" look="main" wide busy={busy}>{outside.signIn}</Button>
                </>
            )}
            {server.page && <Button wide onClick={() => goToPage(server)}>{words.sso}</Button>}
            {!server.password && !server.page && <Note look="bad">{words.noWay}</Note>}
            <Button className={styles.other} onClick={onOther}>{words.other}</Button>
        </form>
    );
}
