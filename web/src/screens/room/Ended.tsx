import { Eye, MoveRight } from "lucide-react";
import type { ReactNode } from "react";
import { Button } from "../../components/Button";
import { useSession } from "../../session/use";
import { go, roomPath } from "../../store/place";
import type { RoomSummary } from "../../store/rooms";
import { useStrings } from "../../strings";
import { useDeed } from "../useDeed";
import styles from "./Room.module.css";

/** In the place of what one writes in, where nothing can be written: the room has ended, or only some write in it. */
export function Ended({ room }: { room: RoomSummary }): ReactNode {
    const { finding, rooms } = useSession();
    const words = useStrings().groups;
    const { busy, problem, act } = useDeed();
    if (!room.successor) return <p className={styles.ended}><Eye size={18} />{words.readOnly}</p>;
    const next = room.successor;
    const goOn = async (): Promise<void> => {
        const known = rooms.get(next);
        if (!known || known.invited) await finding.join(next, room.servers);
        go(roomPath(next));
    };
    return (
        <div className={styles.ended}>
            <MoveRight size={18} /><span>{problem ?? words.ended}</span>
            <Button look="main" busy={busy} onClick={() => act(goOn)}>{words.goOn}</Button>
        </div>
    );
}
