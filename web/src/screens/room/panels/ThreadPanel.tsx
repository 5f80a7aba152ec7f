import { useEffect, useState } from "react";
import type { ReactNode } from "react";
import { Side } from "../../../components/Side";
import { useSession } from "../../../session/use";
import { go, roomPath } from "../../../store/place";
import type { RoomSummary } from "../../../store/rooms";
import { useStrings } from "../../../strings";
import { Talk } from "../Talk";

interface ThreadPanelProps {
    room: RoomSummary;
    root: string; // the message that began it
    event: string | undefined; // a message to be shown in it
    onClose: () => void;
}

/** One thread: what began it, and the answers. */
export function ThreadPanel({ room, root, event, onClose }: ThreadPanelProps): ReactNode {
    const session = useSession();
    const words = useStrings().talk.threads;
    const [timeline] = useState(() => session.timeline(room.id, root));
    useEffect(() => {
        if (!event) return;
        go(roomPath(room.id, "thread", root), true);
        void timeline.jump(event);
    }, [event, room.id, root, timeline]);
    return (
        <Side title={words.title} onClose={onClose}>
            <Talk timeline={timeline} room={room} label={words.title} hint={words.write} drops />
        </Side>
    );
}
