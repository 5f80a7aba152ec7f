import { lazy, Suspense, useEffect, useState } from "react";
import type { ReactNode } from "react";
import { Button } from "../../components/Button";
import { Note, Page, Waiting } from "../../components/Page";
import type { Account } from "../../session/account";
import { about, ownServer } from "../../session/entry";
import type { About } from "../../session/entry";
import { go, homePath, isElsewhere, registerPath, usePlace } from "../../store/place";
import { useStrings } from "../../strings";
import { Register } from "./Register";
import { SetUp } from "./SetUp";
import { SignIn } from "./SignIn";

const Elsewhere = lazy(() => import("./Elsewhere"));

export interface EntryProps {
    server: About;
    onEnter: (account: Account, password: string) => void;
}

/** What who is not signed in sees: the first account, an invitation, or signing in. */
export function Outside({ onEnter }: Pick<EntryProps, "onEnter">): ReactNode {
    const words = useStrings().link;
    if (isElsewhere) return <Suspense fallback={<Waiting label={words.loading} />}><Elsewhere onEnter={onEnter} /></Suspense>;
    return <Here onEnter={onEnter} />;
}

function Here({ onEnter }: Pick<EntryProps, "onEnter">): ReactNode {
    const place = usePlace();
    const strings = useStrings();
    const [server, setServer] = useState<About | "unreachable">();
    const [tries, setTries] = useState(0);
    useEffect(() => {
        let here = true;
        about(ownServer()).then(
            (answer) => here && setServer(answer),
            () => here && setServer("unreachable"),
        );
        return () => {
            here = false;
        };
    }, [tries]);

    if (!server) return <Waiting label={strings.link.loading} />;
    if (server === "unreachable") {
        return (
            <Page title={strings.link.failedTitle} lead={strings.refused.unreachable}>
                <Button look="main" wide onClick={() => setTries(tries + 1)}>{strings.link.reload}</Button>
            </Page>
        );
    }
    if (place.at === "setup") return <SetUp server={server} token={place.token} onEnter={onEnter} />;
    if (server.first) return <Page title={strings.outside.emptyTitle} lead={strings.outside.emptyLead} foot={strings.outside.privacy} />;
    if (place.at === "register" && server.registration !== "closed") return <Register server={server} token={place.token} onEnter={onEnter} />;
    return <SignIn server={server} onEnter={onEnter} />;
}

/** Shown where what is typed could be read by others. */
export const Insecure = (): ReactNode => {
    const words = useStrings().outside;
    return isSecureContext ? null : <Note look="warn">{words.insecure}</Note>;
};

export const toRegister = (): void => go(registerPath);
export const toSignIn = (): void => go(homePath);
