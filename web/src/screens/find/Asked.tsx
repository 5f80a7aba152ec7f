import { ArrowLeft, Hourglass } from "lucide-react";
import type { ReactNode } from "react";
import { Button, IconButton } from "../../components/Button";
import { Note } from "../../components/Page";
import { useSession } from "../../session/use";
import { go, homePath } from "../../store/place";
import type { RoomSummary } from "../../store/rooms";
import { useStrings } from "../../strings";
import { Face } from "../Face";
import { useDeed } from "../useDeed";
import styles from "./Find.module.css";

/** A room that the person has asked to join, while nobody has answered. */
export default function Asked({ room }: { room: RoomSummary }): ReactNode {
    const { governing } = useSession();
    const strings = useStrings();
    const words = strings.groups.found;
    const { busy, problem, act } = useDeed();
    return (
        <>
            <header className={styles.head}>
                <IconButton label={strings.room.back} className={styles.back} onClick={() => go(homePath)}><ArrowLeft size={22} /></IconButton>
                <h1 dir="auto">{room.name}</h1>
            </header>
            <div className={styles.page}>
                <div className={styles.card}>
                    <div className={styles.top}>
                        <Face id={room.id} name={room.name} picture={room.picture} size="large" />
                        <h2 dir="auto">{room.name}</h2>
                        <p className={styles.under}><Hourglass size={18} /> {words.asked}</p>
                        <p className={styles.under}>{words.askedNews}</p>
                    </div>
                    {problem && <Note look="bad">{problem}</Note>}
                    <div className={styles.pair}><Button busy={busy} onClick={() => act(() => governing.leave(room.id, true), () => go(homePath, true))}>{words.takeBack}</Button></div>
                </div>
            </div>
        </>
    );
}
