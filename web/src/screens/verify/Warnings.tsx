import { ShieldAlert, ShieldCheck } from "lucide-react";
import { useEffect } from "react";
import type { ReactNode } from "react";
import { Button } from "../../components/Button";
import type { Person } from "../../session/people";
import { useSession } from "../../session/use";
import type { RoomSummary } from "../../store/rooms";
import { useValue } from "../../store/value";
import { useStrings } from "../../strings";
import styles from "./Verify.module.css";

/** A device has come to the account that nobody has verified: was it the person? One at a time. */
export function StrangerLine(): ReactNode {
    const { trust, verification, devices } = useSession();
    const [stranger] = useValue(trust.strangers);
    const words = useStrings().own.trust;
    if (!stranger) return null;
    const { id, name } = stranger;
    return (
        <div className={styles.line} role="status">
            <p><ShieldAlert size={18} />{words.stranger(name)}</p>
            <div className={styles.acts}>
                <button type="button" onClick={() => void verification.askDevice(id, name)}>{words.strangerYes}</button>
                <button type="button" onClick={() => void devices.remove([id]).catch(() => undefined)}>{words.strangerNo}</button>
                <button type="button" onClick={() => trust.known(id)}>{words.strangerLater}</button>
            </div>
        </div>
    );
}

/** Somebody in the room has other keys than before. One at a time. */
export function ChangedLine({ room }: { room: RoomSummary }): ReactNode {
    const { trust, verification } = useSession();
    const standings = useValue(trust.people);
    const words = useStrings().own.trust;
    useEffect(() => void trust.room(room.id).catch(() => undefined), [trust, room.id, room.members]);
    const changed = trust.changedIn(room.id, standings);
    if (!changed) return null;
    const { id, name, standing } = changed;
    return (
        <div className={`${styles.line} ${styles.bar}`} role="status">
            <p><ShieldAlert size={18} />{standing === "broken" ? words.broken(name) : words.changed(name)}</p>
            <div className={styles.acts}>
                {standing === "broken" && <button type="button" onClick={() => void verification.askPerson({ id, name })}>{words.again}</button>}
                <button type="button" onClick={() => void trust.accept(id)}>{standing === "broken" ? words.goOn : words.understood}</button>
            </div>
        </div>
    );
}

/** How it stands with somebody's keys, and the way to verify them; for what is shown of a person. */
export function PersonTrust({ person }: { person: Person }): ReactNode {
    const { trust, verification } = useSession();
    const standing = useValue(trust.people).get(person.id);
    const words = useStrings().own.trust;
    useEffect(() => void trust.person(person.id).catch(() => undefined), [trust, person.id]);
    if (standing === undefined) return null;
    if (standing === "verified") return <p className={styles.person}><ShieldCheck size={18} />{words.verified}</p>;
    if (standing === "unknown") return <p className={styles.explain}>{words.noKeys}</p>;
    return (
        <div className={styles.explain}>
            <p>{words.verifyLead}</p>
            <Button onClick={() => void verification.askPerson(person)}><ShieldCheck size={18} />{words.verify}</Button>
        </div>
    );
}
