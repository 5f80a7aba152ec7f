import { useState } from "react";
import type { ReactNode } from "react";
import { Side } from "../../../components/Side";
import { eventPath, go } from "../../../store/place";
import type { RoomSummary } from "../../../store/rooms";
import type { Found } from "../../../store/search/finding";
import { useStrings } from "../../../strings";
import { Line } from "./Line";
import { marked } from "./marked";
import styles from "./Panels.module.css";
import { useFinding } from "./useFinding";

/** Finds messages: in this conversation, or in all. */
export function SearchPanel({ room, onClose }: { room: RoomSummary; onClose: () => void }): ReactNode {
    const words = useStrings().talk.search;
    const [question, setQuestion] = useState("");
    const [everywhere, setEverywhere] = useState(false);
    const { answer, busy } = useFinding(question, everywhere ? undefined : room.id);
    const open = (found: Found): void => go(eventPath(found.room, found.id, found.thread || undefined));
    return (
        <Side title={words.title} onClose={onClose}>
            <div className={styles.searchHead} role="search">
                <input
                    type="search" className={styles.field} value={question} placeholder={words.field} aria-label={words.field} onChange={(event) => setQuestion(event.target.value)}
                    ref={(field) => field?.focus()}
                />
                <div className={styles.scopes}>
                    <button type="button" aria-pressed={!everywhere} onClick={() => setEverywhere(false)}>{words.here}</button>
                    <button type="button" aria-pressed={everywhere} onClick={() => setEverywhere(true)}>{words.everywhere}</button>
                </div>
            </div>
            <p className={styles.note} role="status">
                {busy ? words.searching : !answer ? words.lead : !answer.whole ? words.failed : answer.found.length > 0 ? words.found(answer.found.length) : ""}
            </p>
            {answer && answer.found.length === 0 && !busy && <div className={styles.empty}><p>{words.none}</p><p>{words.lead}</p></div>}
            {answer && answer.found.length > 0 && (
                <ul className={styles.lines}>
                    {answer.found.map((found) => (
                        <Line
                            key={found.id} who={found.name} whoId={found.sender} at={found.at} text={marked(found.text, question)} under={everywhere ? found.roomName : undefined}
                            onOpen={() => open(found)}
                        />
                    ))}
                </ul>
            )}
        </Side>
    );
}
