import { useState } from "react";
import type { ReactNode } from "react";
import { Button } from "../../components/Button";
import { Dialog, DialogEnd, DialogText } from "../../components/Dialog";
import { Note } from "../../components/Page";
import { Switch } from "../../components/Switch";
import { useSession } from "../../session/use";
import { useValue } from "../../store/value";
import { useStrings } from "../../strings";
import { ExportKeys, ImportKeys } from "./KeyFile";
import { Buttons, Failed, Part } from "./parts";
import { Password } from "./Password";
import { useAct } from "./useAct";

/** Recovery key, password, keys in a file, the end of the account. */
export function Security({ onGone }: { onGone: () => Promise<void> }): ReactNode {
    const strings = useStrings().own;
    const words = strings.security;
    const [open, setOpen] = useState<"export" | "import">();
    const close = (): void => setOpen(undefined);
    return (
        <>
            <Recovery />
            <Part title={words.password} lead={words.passwordLead}><Password /></Part>
            <Part title={words.keys} lead={words.keysLead}>
                <Buttons>
                    <Button onClick={() => setOpen("export")}>{words.exportKeys}</Button>
                    <Button onClick={() => setOpen("import")}>{words.importKeys}</Button>
                </Buttons>
            </Part>
            <End onGone={onGone} />
            {open === "export" && <ExportKeys onClose={close} />}
            {open === "import" && <ImportKeys onClose={close} />}
        </>
    );
}

function Recovery(): ReactNode {
    const { keys } = useSession();
    const { at } = useValue(keys.state);
    const strings = useStrings();
    const words = strings.own.security;
    const [asking, setAsking] = useState(false);
    const { busy, failed, run } = useAct();
    const renew = (): void => {
        setAsking(false);
        void run(() => keys.renew());
    };
    if (at === "later") {
        return (
            <Part title={words.recovery}>
                <Note look="warn">{words.locked}</Note>
                <Buttons><Button look="main" onClick={() => keys.ask()}>{words.getKeys}</Button></Buttons>
            </Part>
        );
    }
    return (
        <Part title={words.recovery} lead={words.recoveryLead}>
            <Failed when={failed} />
            <Buttons><Button busy={busy} disabled={at !== "ready"} onClick={() => setAsking(true)}>{words.newKey}</Button></Buttons>
            {asking && (
                <Dialog title={words.newKeyTitle} onClose={() => setAsking(false)}>
                    <DialogText>{words.newKeyLead}</DialogText>
                    <DialogEnd>
                        <Button onClick={() => setAsking(false)}>{strings.create.cancel}</Button>
                        <Button look="main" onClick={renew}>{words.newKey}</Button>
                    </DialogEnd>
                </Dialog>
            )}
        </Part>
    );
}

function End({ onGone }: { onGone: () => Promise<void> }): ReactNode {
    const { own } = useSession();
    const strings = useStrings();
    const words = strings.own.security;
    const [asking, setAsking] = useState(false);
    const [erase, setErase] = useState(false);
    const { busy, failed, run } = useAct();
    const end = (): void => {
        setAsking(false);
        void run(() => own.deactivate(erase), () => void onGone());
    };
    return (
        <Part title={words.end} lead={words.endLead}>
            <Failed when={failed} />
            <Buttons><Button look="bad" busy={busy} onClick={() => setAsking(true)}>{words.endAct}</Button></Buttons>
            {asking && (
                <Dialog title={words.endTitle} onClose={() => setAsking(false)}>
                    <DialogText>{words.endWarning}</DialogText>
                    <Switch label={words.erase} hint={words.eraseHint} on={erase} onChange={setErase} />
                    <DialogEnd>
                        <Button onClick={() => setAsking(false)}>{strings.create.cancel}</Button>
                        <Button look="bad" onClick={end}>{words.endAct}</Button>
                    </DialogEnd>
                </Dialog>
            )}
        </Part>
    );
}
