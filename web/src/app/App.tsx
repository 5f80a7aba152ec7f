import { lazy, Suspense } from "react";
import type { ReactNode } from "react";
import { Button } from "../components/Button";
import { Page, Waiting } from "../components/Page";
import { EnterKey } from "../screens/keys/EnterKey";
import { RecoveryKey } from "../screens/keys/RecoveryKey";
import { Home } from "../screens/home/Home";
import { Outside } from "../screens/outside/Outside";
import type { KeysState } from "../session/keys";
import type { Session } from "../session/session";
import { SessionContext } from "../session/use";
import type { Lists } from "../store/glance";
import { usePlace } from "../store/place";
import { useValue, Value } from "../store/value";
import { useStrings } from "../strings";
import { useAlerts } from "./alerts";
import { useTitle } from "./title";
import type { Life } from "./life";

// What is not there at first comes when it is wanted.
const Settings = lazy(() => import("../screens/settings/Settings"));
const VerifyDialog = lazy(() => import("../screens/verify/VerifyDialog"));
const ConfirmDialog = lazy(() => import("../screens/verify/ConfirmDialog"));

const checking = new Value<KeysState>({ at: "checking" });
const notEnded = new Value(false);

/** Which screen there is. */
export function App({ life }: { life: Life }): ReactNode {
    const phase = useValue(life.phase);
    const words = useStrings().link;
    switch (phase.at) {
        case "outside":
            return <Outside onEnter={life.enter} />;
        case "elsewhere":
            return (
                <Page title={words.elsewhereTitle} lead={words.elsewhereLead}>
                    <Button look="main" wide onClick={life.takeOver}>{words.useHere}</Button>
                </Page>
            );
        case "failed":
            return (
                <Page title={words.failedTitle} lead={words.failedLead}>
                    <Button look="main" wide onClick={() => location.reload()}>{words.reload}</Button>
                    <Button wide onClick={life.forget}>{words.again}</Button>
                </Page>
            );
        case "opening":
            return phase.seen ? <Inside session={undefined} lists={phase.seen} life={life} /> : <Waiting label={words.loading} />;
        case "inside":
            return <Inside session={phase.session} lists={phase.session.rooms} life={life} />;
    }
}

interface InsideProps {
    session: Session | undefined; // undefined while it is being opened: only the list is there, as it was
    lists: Lists;
    life: Life;
}

function Inside({ session, lists, life }: InsideProps): ReactNode {
    const keys = useValue(session?.keys.state ?? checking);
    const ended = useValue(session?.ended ?? notEnded);
    const words = useStrings().link;
    const place = usePlace();
    if (ended) {
        return (
            <Page title={words.endedTitle} lead={words.endedLead}>
                <Button look="main" wide onClick={life.forget}>{words.again}</Button>
            </Page>
        );
    }
    return (
        <SessionContext value={session}>
            {keys.at === "fresh" ? <RecoveryKey recoveryKey={keys.recoveryKey} />
            : keys.at === "locked" ? <EnterKey />
            : place.at !== "settings" ? <Home lists={lists} onSignOut={life.leave} />
            : session ? <Suspense fallback={<Waiting label={words.loading} />}><Settings onSignOut={life.leave} onGone={life.forget} /></Suspense>
            : <Waiting label={words.loading} />}
            {session && <Above session={session} />}
        </SessionContext>
    );
}

/** What concerns the person wherever they are. */
function Above({ session }: { session: Session }): ReactNode {
    const verification = useValue(session.verification.state);
    const asked = useValue(session.confirmation.asked);
    useTitle(session);
    useAlerts(session);
    return (
        <Suspense>
            {verification && <VerifyDialog state={verification} />}
            {asked && <ConfirmDialog key={String(asked.wrong)} asked={asked} />}
        </Suspense>
    );
}
