import { UserPlus } from "lucide-react";
import type { ReactNode } from "react";
import { go, roomPath } from "../../store/place";
import type { RoomSummary } from "../../store/rooms";
import { useStrings } from "../../strings";
import styles from "./Room.module.css";

/** Says that somebody asks to come in, to who may answer. */
export function KnockLine({ room }: { room: RoomSummary }): ReactNode {
    const words = useStrings().groups;
    if (room.knocks === 0) return null;
    return (
        <button type="button" className={styles.knocks} onClick={() => go(roomPath(room.id, "info"))}>
            <UserPlus size={18} /><span>{words.knocks(room.knocks)}</span>
        </button>
    );
}
