import { PinOff } from "lucide-react";
import type { ReactNode } from "react";
import { IconButton } from "../../../components/Button";
import { Side } from "../../../components/Side";
import { go, roomPath } from "../../../store/place";
import type { RoomSummary } from "../../../store/rooms";
import type { Timeline } from "../../../store/timeline";
import { useStrings } from "../../../strings";
import { gistText } from "../../../strings/gist";
import { Line } from "./Line";
import styles from "./Panels.module.css";
import { usePins } from "./usePins";

/** All that is pinned in a room, the newest first. */
export function PinsPanel({ room, timeline, onClose }: { room: RoomSummary; timeline: Timeline; onClose: () => void }): ReactNode {
    const strings = useStrings();
    const words = strings.talk.pins;
    const pins = usePins(room.id, timeline).reverse();
    const open = (id: string): void => {
        if (matchMedia("(width < 72rem)").matches) go(roomPath(room.id));
        void timeline.jump(id);
    };
    return (
        <Side title={words.title} onClose={onClose}>
            {pins.length === 0 ? <div className={styles.empty}><p>{words.none}</p></div> : (
                <ul className={styles.lines}>
                    {pins.map((pin) => (
                        <Line
                            key={pin.id} who={pin.name} whoId={pin.sender} at={0} onOpen={() => open(pin.id)}
                            text={pin.gist ? gistText(pin.gist, strings, { who: pin.name, mine: pin.mine }) : strings.talk.fetching}
                        >
                            {timeline.acts.rights(pin.id).pin && (
                                <IconButton label={strings.talk.unpin} onClick={() => void timeline.acts.pin(pin.id, false).catch(() => undefined)}><PinOff size={18} /></IconButton>
                            )}
                        </Line>
                    ))}
                </ul>
            )}
        </Side>
    );
}
