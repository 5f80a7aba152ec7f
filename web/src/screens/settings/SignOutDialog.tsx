import { useEffect, useState } from "react";
import type { ReactNode } from "react";
import { Button } from "../../components/Button";
import { Dialog, DialogEnd, DialogText } from "../../components/Dialog";
import { Note } from "../../components/Page";
import { useSession } from "../../session/use";
import { go, settingsPath } from "../../store/place";
import { useStrings } from "../../strings";

/** Asks whether to sign out; warns when messages could never be read again. */
export function SignOutDialog({ onClose, onSignOut }: { onClose: () => void; onSignOut: () => void }): ReactNode {
    const { keys } = useSession();
    const strings = useStrings();
    const words = strings.menu;
    const { signOut } = strings.own;
    const [lost, setLost] = useState<boolean>();
    useEffect(() => {
        keys.wouldBeLost().then(setLost, () => setLost(false));
    }, [keys]);
    const toSecurity = (): void => {
        onClose();
        go(settingsPath("security"));
    };
    return (
        <Dialog title={words.signOutTitle} onClose={onClose}>
            {lost ? <Note look="bad"><b>{signOut.lost}.</b> {signOut.lostLead}</Note> : <DialogText>{words.signOutLead}</DialogText>}
            <DialogEnd>
                {lost ? <Button look="main" onClick={toSecurity}>{signOut.toSecurity}</Button> : <Button onClick={onClose}>{words.cancel}</Button>}
                <Button look="bad" disabled={lost === undefined} onClick={onSignOut}>{lost ? signOut.anyway : words.signOut}</Button>
            </DialogEnd>
        </Dialog>
    );
}
