import { Ban, Flag, MessageCircle } from "lucide-react";
import { useEffect, useState } from "react";
import type { ReactNode } from "react";
import { Button } from "../../components/Button";
import { follow } from "../../components/follow";
import { Note } from "../../components/Page";
import { useSession } from "../../session/use";
import { go, roomPath } from "../../store/place";
import { useValue } from "../../store/value";
import { useStrings } from "../../strings";
import styles from "../details/Details.module.css";
import { ReportDialog } from "../details/ReportDialog";
import { Face } from "../Face";
import { PersonTrust } from "../verify/Warnings";
import { useDeed } from "../useDeed";

interface PersonCardProps {
    user: string;
    name: string;
    picture: string;
    here: string; // the room in which they are looked at, which is not named among the shared ones; "" for none
}

/** A person: who they are, what is shared with them, and the way to write to them. */
export function PersonCard({ user, name, picture, here }: PersonCardProps): ReactNode {
    const { people, governing, privacy, account } = useSession();
    const words = useStrings().groups.member;
    const { busy, problem, act } = useDeed();
    const [reporting, setReporting] = useState(false);
    const ignored = useValue(privacy.state).ignored.includes(user);
    const own = user === account.user;
    const write = async (): Promise<void> => go(roomPath(await people.talkTo({ id: user, name })));
    return (
        <>
            <div className={styles.top}>
                <Face id={user} name={name} picture={picture} size="large" />
                <h3 dir="auto">{name}</h3>
                <p className={styles.under} dir="ltr">{user}</p>
                {ignored && <p className={styles.under}>{words.ignored}</p>}
            </div>
            {problem && <Note look="bad">{problem}</Note>}
            {!own && (
                <>
                    <Button look="main" busy={busy} onClick={() => act(write)}><MessageCircle size={18} />{words.write}</Button>
                    <PersonTrust person={{ id: user, name }} />
                    <Shared user={user} here={here} />
                    <div className={styles.rows}>
                        <button type="button" className={styles.row} onClick={() => act(() => (ignored ? privacy.hear(user) : privacy.ignore(user)))}><Ban size={20} />{ignored ? words.unignore : words.ignore}</button>
                        <button type="button" className={styles.row} onClick={() => setReporting(true)}><Flag size={20} />{words.report}</button>
                    </div>
                </>
            )}
            {reporting && <ReportDialog name={name} report={(reason) => governing.reportUser(user, reason)} onClose={() => setReporting(false)} />}
        </>
    );
}

function Shared({ user, here }: { user: string; here: string }): ReactNode {
    const { finding, rooms } = useSession();
    const words = useStrings().groups.member;
    const [ids, setIds] = useState<string[]>([]);
    useValue(rooms.all);
    useEffect(() => {
        let there = true;
        finding.shared(user).then((found) => there && setIds(found), (error: unknown) => console.warn("shared rooms are not known", error));
        return () => {
            there = false;
        };
    }, [finding, user]);
    const shared = ids.flatMap((id) => rooms.get(id) ?? []).filter((room) => room.id !== here && room.kind !== "person");
    if (shared.length === 0) return null;
    return (
        <section className={styles.part}>
            <h3>{words.shared}</h3>
            <ul className={styles.rows}>
                {shared.map((room) => (
                    <li key={room.id}>
                        <a className={styles.row} href={roomPath(room.id)} onClick={follow(() => go(roomPath(room.id)))}>
                            <Face id={room.id} name={room.name} picture={room.picture} size="small" /><span className={styles.words} dir="auto">{room.name}</span>
                        </a>
                    </li>
                ))}
            </ul>
        </section>
    );
}
