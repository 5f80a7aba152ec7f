import { useEffect, useState } from "react";
import type { ReactNode } from "react";
import { Side } from "../../../components/Side";
import { Waiting } from "../../../components/Page";
import { go, roomPath } from "../../../store/place";
import type { RoomSummary } from "../../../store/rooms";
import { ThreadList } from "../../../store/threads";
import { useSession } from "../../../session/use";
import type { Timeline } from "../../../store/timeline";
import { useValue } from "../../../store/value";
import { useStrings } from "../../../strings";
import { gistText } from "../../../strings/gist";
import { Line } from "./Line";
import styles from "./Panels.module.css";

/** All threads of a room, the newest first. */
export function ThreadsPanel({ room, timeline, onClose }: { room: RoomSummary; timeline: Timeline; onClose: () => void }): ReactNode {
    const strings = useStrings();
    const words = strings.talk.threads;
    const { client } = useSession();
    const [list] = useState(() => new ThreadList(client, room.id, timeline));
    const state = useValue(list.state);
    useEffect(() => list.open(), [list]);
    return (
        <Side title={words.all} onClose={onClose}>
            {state === undefined ? <Waiting label={strings.link.loading} />
            : state.length === 0 ? <div className={styles.empty}><p>{words.none}</p><p>{words.noneLead}</p></div>
            : (
                <ul className={styles.lines}>
                    {state.map(({ root, quote, at, summary }) => (
                        <Line
                            key={root} who={quote.name} whoId={quote.sender} at={at} text={quote.gist ? gistText(quote.gist, strings, { who: quote.name, mine: quote.mine }) : ""}
                            under={summary && `${words.count(summary.count)}${summary.unread > 0 ? ` · ${words.unread(summary.unread)}` : ""}`} onOpen={() => go(roomPath(room.id, "thread", root))}
                        />
                    ))}
                </ul>
            )}
        </Side>
    );
}
