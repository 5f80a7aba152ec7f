import { ArrowLeft, Info, LockKeyhole, MessagesSquare, Search } from "lucide-react";
import type { ReactNode } from "react";
import { IconButton } from "../../components/Button";
import { go, homePath, roomPath } from "../../store/place";
import type { RoomSummary } from "../../store/rooms";
import { useStrings } from "../../strings";
import { Face } from "../Face";
import styles from "./Room.module.css";

export function RoomHead({ room }: { room: RoomSummary }): ReactNode {
    const strings = useStrings();
    const words = strings.room;
    const typing = room.typing.length > 0;
    const under =
        typing && room.direct ? strings.rooms.typingAlone
        : typing ? strings.rooms.typing(room.typing)
        : room.direct ? room.other
        : room.kind === "group" ? words.members(room.members)
        : `${strings.groups.kind[room.kind]} · ${words.members(room.members)}`;
    const about = room.kind === "person" ? strings.groups.aboutPerson : strings.groups.about;
    const open = (): void => go(roomPath(room.id, "info"));
    return (
        <header className={styles.head}>
            <IconButton label={words.back} className={styles.back} onClick={() => go(homePath)}><ArrowLeft size={22} /></IconButton>
            <button type="button" className={styles.who} onClick={open} tabIndex={-1} aria-hidden="true"><Face id={room.other || room.id} name={room.name} picture={room.picture} size="small" /></button>
            <div className={styles.title} onClick={open}>
                <h1>
                    <span dir="auto">{room.name}</span>
                    {room.encrypted && <LockKeyhole size={14} role="img" aria-label={words.encrypted}><title>{words.encrypted}</title></LockKeyhole>}
                </h1>
                <p className={`${styles.under} ${typing ? styles.typing : ""}`}>{under}</p>
            </div>
            <IconButton label={strings.talk.search.title} onClick={() => go(roomPath(room.id, "search"))}><Search size={20} /></IconButton>
            <IconButton label={strings.talk.threads.all} className={styles.roomy} onClick={() => go(roomPath(room.id, "threads"))}><MessagesSquare size={20} /></IconButton>
            <IconButton label={about} onClick={open}><Info size={20} /></IconButton>
        </header>
    );
}
