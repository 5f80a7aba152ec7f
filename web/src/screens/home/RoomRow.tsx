import { Archive, BellOff, Megaphone, Pin, UserPlus } from "lucide-react";
import { memo } from "react";
import type { ReactNode } from "react";
import { follow } from "../../components/follow";
import { go, roomPath } from "../../store/place";
import type { RoomSummary } from "../../store/rooms";
import { useLanguage, useStrings } from "../../strings";
import { brief } from "../../strings/dates";
import { gistText } from "../../strings/gist";
import { Face } from "../Face";
import styles from "./RoomRow.module.css";

interface RoomRowProps {
    room: RoomSummary;
    open: boolean;
    stop: boolean; // in the order of focus
}

export const RoomRow = memo(function RoomRow({ room, open, stop }: RoomRowProps): ReactNode {
    const strings = useStrings();
    const language = useLanguage();
    const path = roomPath(room.id);
    return (
        <div role="listitem" className={styles.item}>
            <a
                className={styles.row} href={path} data-room={room.id} tabIndex={stop ? 0 : -1} draggable={false}
                onClick={follow(() => go(path))} aria-current={open ? "page" : undefined}
            >
                <Face id={room.other || room.id} name={room.name} picture={room.picture} />
                <span className={styles.words}>
                    <span className={styles.top}>
                        <span className={styles.name}>
                            {room.kind === "channel" && <Megaphone size={15} role="img" aria-label={strings.groups.kind.channel} />}
                            <span dir="auto">{room.name}</span>
                            {room.muted && <BellOff size={14} role="img" aria-label={strings.groups.muted} />}
                        </span>
                        {room.active > 0 && <time className={styles.time} data-unread={room.unread > 0 && !room.muted ? "" : undefined}>{brief(room.active, language)}</time>}
                    </span>
                    <span className={styles.bottom}>
                        <Preview room={room} open={open} />
                        <Marks room={room} />
                    </span>
                </span>
            </a>
        </div>
    );
});

/** What stands at the end of a row: what is new, or else where the room has been put. */
function Marks({ room }: { room: RoomSummary }): ReactNode {
    const strings = useStrings();
    if (room.invited) return <span className={styles.invited}>{strings.rooms.invited}</span>;
    if (room.asked) return <span className={styles.invited}>{strings.groups.asked}</span>;
    const muted = room.muted ? "" : undefined;
    return (
        <>
            {room.knocks > 0 && <span className={styles.knocks}><UserPlus size={14} role="img" aria-label={strings.groups.knocks(room.knocks)} />{room.knocks}</span>}
            {room.unread > 0 ? (
                <span className={styles.count} data-mention={room.mentions > 0 ? "" : undefined} data-muted={room.mentions > 0 ? undefined : muted}>
                    <span aria-hidden="true">{room.unread > 999 ? "999+" : room.unread}</span>
                    <span className="unseen">{strings.rooms.unread(room.unread)}</span>
                </span>
            ) : room.marked || room.quiet ? <span className={styles.dot} data-muted={room.marked ? undefined : muted}><span className="unseen">{strings.groups.new}</span></span>
            : room.pinned ? <Pin size={15} className={styles.pinned} role="img" aria-label={strings.groups.pinned} />
            : room.archived ? <Archive size={15} className={styles.pinned} role="img" aria-label={strings.groups.section.archive} /> : null}
        </>
    );
}

function Preview({ room, open }: { room: RoomSummary; open: boolean }): ReactNode {
    const strings = useStrings();
    const words = strings.rooms;
    if (room.typing.length > 0) return <span className={`${styles.preview} ${styles.typing}`}>{room.direct ? words.typingAlone : words.typing(room.typing)}</span>;
    if (room.draft && !open) return <span className={styles.preview} dir="auto"><span className={styles.draft}>{strings.groups.draft}</span> {room.draft}</span>;
    if (room.invited) return <span className={styles.preview} dir="auto">{words.invitedBy(room.inviter)}</span>;
    if (room.asked) return <span className={styles.preview}>{strings.groups.askedWaiting}</span>;
    if (!room.last) return <span className={styles.preview} />;
    const { gist, who, whom, mine } = room.last;
    const author = gist.is === "news" ? "" : mine ? `${words.you}: ` : room.direct ? "" : `${who}: `;
    return <span className={styles.preview} dir="auto">{author}{gistText(gist, strings, { who, whom, mine })}</span>;
}
