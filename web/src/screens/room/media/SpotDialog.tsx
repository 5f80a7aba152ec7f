import { useEffect, useState } from "react";
import type { ReactNode } from "react";
import { Button } from "../../../components/Button";
import { Dialog, DialogEnd, DialogText } from "../../../components/Dialog";
import { Note } from "../../../components/Page";
import { useSession } from "../../../session/use";
import { useStrings } from "../../../strings";
import type { Target } from "./chosen";
import { coordinates } from "./spot";
import styles from "./Sending.module.css";

const patience = 30_000; // milliseconds

/** Asks the browser where the person is, and the person whether to send it. */
export function SpotDialog({ target, onClose }: { target: Target; onClose: () => void }): ReactNode {
    const { sending } = useSession();
    const strings = useStrings();
    const words = strings.media;
    const [found, setFound] = useState<GeolocationCoordinates | "nowhere">();

    useEffect(() => {
        navigator.geolocation.getCurrentPosition(({ coords }) => setFound(coords), () => setFound("nowhere"), { enableHighAccuracy: true, timeout: patience });
    }, []);

    const there = found !== "nowhere" ? found : undefined;
    const send = (): void => {
        if (there) sending.spot(target.room, there, there.accuracy, strings.room.file.location, target.take().first);
        onClose();
    };
    return (
        <Dialog title={words.placeTitle} onClose={onClose}>
            <DialogText>{words.placeLead}</DialogText>
            {found === "nowhere" && <Note look="bad">{words.placeFailed}</Note>}
            {!found && <p className={styles.finding} role="status">{words.placeFinding}</p>}
            {there && <p className={styles.spot}><b dir="ltr">{coordinates(there)}</b> <span>{words.placeWithin(String(Math.round(there.accuracy)))}</span></p>}
            <DialogEnd>
                <Button onClick={onClose}>{strings.create.cancel}</Button>
                <Button look="main" disabled={!there} onClick={send}>{words.send}</Button>
            </DialogEnd>
        </Dialog>
    );
}
