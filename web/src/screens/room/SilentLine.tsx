import { ServerOff } from "lucide-react";
import { useEffect, useState } from "react";
import type { ReactNode } from "react";
import { useSession } from "../../session/use";
import { silentAmong } from "../../store/beyond";
import { go, serversPath } from "../../store/place";
import type { RoomSummary } from "../../store/rooms";
import { useValue } from "../../store/value";
import { useLanguage, useStrings } from "../../strings";
import { moment } from "../../strings/dates";
import styles from "./Room.module.css";

const nowhere: ReadonlySet<string> = new Set();

/** Says to who may write in a room whom it will reach later. */
export function SilentLine({ room }: { room: RoomSummary }): ReactNode {
    const { beyond } = useSession();
    const side = useValue(beyond.side);
    const words = useStrings().beyond;
    const language = useLanguage();
    const [here, setHere] = useState(nowhere);
    const concerned = room.mayWrite && (side?.servers.some((server) => server.standing === "silent") ?? false);
    useEffect(() => {
        let shown = concerned;
        if (concerned) void beyond.serversIn(room.id).then((found) => shown && setHere(found));
        return () => {
            shown = false;
        };
    }, [beyond, concerned, room.id, room.members]);
    const silent = concerned ? silentAmong(side, here) : [];
    const [first] = silent;
    if (!first) return null;
    return (
        <p className={styles.silent} role="status">
            <ServerOff size={18} />
            <span>
                {silent.length === 1 ? words.here(first.name, moment(first.since, language)) : words.hereMany(silent.length)}{" "}
                <button type="button" onClick={() => go(serversPath)}>{words.details}</button>
            </span>
        </p>
    );
}
