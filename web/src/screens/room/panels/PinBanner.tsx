import { List, Pin } from "lucide-react";
import { useState } from "react";
import type { ReactNode } from "react";
import { IconButton } from "../../../components/Button";
import { go, roomPath } from "../../../store/place";
import type { RoomSummary } from "../../../store/rooms";
import type { Timeline } from "../../../store/timeline";
import { useStrings } from "../../../strings";
import { gistText } from "../../../strings/gist";
import styles from "./Panels.module.css";
import { usePins } from "./usePins";

/** The newest pinned message, above the conversation; pressed, it leads there, and shows the one before it next. */
export function PinBanner({ room, timeline }: { room: RoomSummary; timeline: Timeline }): ReactNode {
    const strings = useStrings();
    const words = strings.talk.pins;
    const pins = usePins(room.id, timeline);
    const [back, setBack] = useState(0); // how many before the newest
    if (pins.length === 0) return null;
    const at = pins.length - 1 - (back % pins.length);
    const pin = pins[at]!;
    const open = (): void => {
        void timeline.jump(pin.id);
        setBack(back + 1);
    };
    return (
        <div className={styles.banner}>
            <Pin size={18} />
            <button type="button" className={styles.pinned} onClick={open}>
                <b>{pins.length > 1 ? words.several(at + 1, pins.length) : words.one}</b>
                <span dir="auto">{pin.gist ? gistText(pin.gist, strings, { who: pin.name, mine: pin.mine }) : strings.talk.fetching}</span>
            </button>
            <IconButton label={words.list} onClick={() => go(roomPath(room.id, "pins"))}><List size={20} /></IconButton>
        </div>
    );
}
