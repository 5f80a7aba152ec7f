import { Lock } from "lucide-react";
import { useState } from "react";
import type { ReactNode } from "react";
import { Button } from "../../components/Button";
import { Dialog, DialogEnd, DialogText } from "../../components/Dialog";
import { Note } from "../../components/Page";
import { Switch } from "../../components/Switch";
import { useSession } from "../../session/use";
import type { RoomInfo } from "../../store/details";
import { useStrings } from "../../strings";
import { useDeed } from "../useDeed";
import styles from "./Details.module.css";

/** Encryption is turned on once, and never off. */
export function Encryption({ info }: { info: RoomInfo }): ReactNode {
    const { governing } = useSession();
    const strings = useStrings().groups;
    const words = strings.settings;
    const { busy, problem, act } = useDeed();
    const [asking, setAsking] = useState(false);
    return (
        <section className={styles.part}>
            <h3>{words.encryption}</h3>
            {info.encrypted ? <p className={styles.note}><Lock size={18} /><span>{words.isEncrypted}</span></p>
            : <Switch label={words.encrypt} hint={words.encryptHint} on={false} disabled={!info.may.encrypt} onChange={() => setAsking(true)} />}
            {asking && (
                <Dialog title={words.encryptTitle} onClose={() => setAsking(false)}>
                    <DialogText>{words.encryptLead}</DialogText>
                    {problem && <Note look="bad">{problem}</Note>}
                    <DialogEnd>
                        <Button onClick={() => setAsking(false)}>{strings.cancel}</Button>
                        <Button look="main" busy={busy} onClick={() => act(() => governing.encrypt(info.id), () => setAsking(false))}>{words.encrypt}</Button>
                    </DialogEnd>
                </Dialog>
            )}
        </section>
    );
}
