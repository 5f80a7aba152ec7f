import { CircleCheck, ScanLine, Smile } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import type { ReactNode } from "react";
import { Button } from "../../components/Button";
import { Dialog, DialogEnd, DialogText } from "../../components/Dialog";
import { Note } from "../../components/Page";
import { QrCode } from "../../components/QrCode";
import { useSession } from "../../session/use";
import type { VerificationState } from "../../session/verification";
import { useLanguage, useStrings } from "../../strings";
import { emojiName } from "./emojiNames";
import styles from "./Verify.module.css";

const Scan = lazy(() => import("./Scan"));

/** A verification, wherever the person is in the app. */
export default function VerifyDialog({ state }: { state: VerificationState }): ReactNode {
    const { verification } = useSession();
    const words = useStrings().own.verify;
    const { who } = state;
    return (
        <Dialog title={who.own ? words.titleOwn : words.titlePerson(who.name)} onClose={() => void verification.close()}>
            <Step state={state} />
        </Dialog>
    );
}

function Step({ state }: { state: VerificationState }): ReactNode {
    const { verification } = useSession();
    const words = useStrings().own.verify;
    const { who } = state;
    const end = (): void => void verification.close();
    switch (state.at) {
        case "asked":
            return (
                <>
                    <DialogText>{who.own ? words.askedOwn(who.name) : words.askedPerson(who.name)}</DialogText>
                    <DialogEnd>
                        <Button onClick={end}>{words.decline}</Button>
                        <Button look="main" onClick={() => void verification.accept()}>{words.accept}</Button>
                    </DialogEnd>
                </>
            );
        case "waiting":
            return (
                <>
                    <Busy text={who.own ? words.waitingOwn : words.waitingPerson(who.name)} />
                    <DialogEnd><Button onClick={end}>{words.cancel}</Button></DialogEnd>
                </>
            );
        case "ways":
            return <Ways state={state} />;
        case "busy":
            return <Busy text={words.busy} />;
        case "emoji":
            return <Emoji state={state} />;
        case "scanned":
            return (
                <>
                    <DialogText>{words.scanned}</DialogText>
                    <DialogEnd>
                        <Button onClick={() => verification.differ()}>{words.scannedNo}</Button>
                        <Button look="main" onClick={() => void verification.agree()}>{words.scannedYes}</Button>
                    </DialogEnd>
                </>
            );
        case "done":
            return (
                <>
                    <p className={styles.done} role="status"><CircleCheck size={28} />{who.own ? words.doneOwn : words.donePerson(who.name)}</p>
                    <DialogEnd><Button look="main" onClick={end}>{words.good}</Button></DialogEnd>
                </>
            );
        case "failed":
            return (
                <>
                    <Note look={state.why === "declined" || state.why === "late" ? "plain" : "bad"}>{words.failed[state.why]}</Note>
                    <DialogEnd><Button look="main" onClick={end}>{words.good}</Button></DialogEnd>
                </>
            );
    }
}

const Busy = ({ text }: { text: string }): ReactNode => (
    <p className={styles.busy} role="status"><span className={styles.wheel} />{text}</p>
);

type At<K> = Extract<VerificationState, { at: K }>;

/** A code to be scanned, a camera to scan with, or emoji. */
function Ways({ state }: { state: At<"ways"> }): ReactNode {
    const { verification } = useSession();
    const words = useStrings().own.verify;
    const [scanning, setScanning] = useState(false);
    if (scanning) {
        return (
            <Suspense fallback={<Busy text={words.busy} />}>
                <Scan onCode={(code) => verification.scanned(code)} />
                <DialogEnd>
                    <Button onClick={() => setScanning(false)}>{words.back}</Button>
                    <Button onClick={() => void verification.emoji()}>{words.byEmoji}</Button>
                </DialogEnd>
            </Suspense>
        );
    }
    return (
        <>
            <DialogText>{state.code ? words.show : words.ways}</DialogText>
            {state.code && <div className={styles.code}><QrCode data={new Uint8Array(state.code)} label={words.code} /></div>}
            <div className={styles.ways}>
                {state.scan && "mediaDevices" in navigator && <Button wide onClick={() => setScanning(true)}><ScanLine size={18} />{words.scan}</Button>}
                <Button wide look={state.code ? "plain" : "main"} onClick={() => void verification.emoji()}><Smile size={18} />{words.byEmoji}</Button>
            </div>
        </>
    );
}

function Emoji({ state }: { state: At<"emoji"> }): ReactNode {
    const { verification } = useSession();
    const words = useStrings().own.verify;
    const language = useLanguage();
    return (
        <>
            <DialogText>{words.compare}</DialogText>
            <ol className={styles.emoji} data-testid="emoji">
                {state.emoji.map(([picture, name], i) => <li key={i}><span aria-hidden="true">{picture}</span>{emojiName(name, language)}</li>)}
            </ol>
            <DialogEnd>
                <Button onClick={() => verification.differ()}>{words.differ}</Button>
                <Button look="main" onClick={() => void verification.agree()}>{words.same}</Button>
            </DialogEnd>
        </>
    );
}
