import { KeyRound, Sparkles } from "lucide-react";
import type { ReactNode } from "react";
import { useSession } from "../../session/use";
import { newVersion } from "../../session/worker";
import { lineOf, nearOf } from "../../store/beyond";
import { usePlace } from "../../store/place";
import { useValue } from "../../store/value";
import { useStrings } from "../../strings";
import { Unanswered } from "../Unanswered";
import { BeyondLine } from "./BeyondLine";
import styles from "./LinkLine.module.css";

/** One quiet line about what is not as it should be; nothing when all is well. What can be done something about comes before what can only be waited for. */
export function LinkLine(): ReactNode {
    const { link, keys, rooms, beyond } = useSession();
    const all = useValue(rooms.all);
    const side = useValue(beyond.side);
    const place = usePlace();
    const reach = useValue(link.state);
    const renewed = useValue(newVersion);
    const { at } = useValue(keys.state);
    const words = useStrings();
    if (reach.is !== "up") return <Unanswered className={styles.line} />;
    const line = side && lineOf(side, nearOf(all, place.at === "room" ? place.room : undefined));
    const cut = line && line.is !== "silent" && line.is !== "healing";
    if (cut) return <BeyondLine line={line} />;
    if (at === "impossible") return <p className={styles.line} role="status"><KeyRound size={18} />{words.keys.impossible}</p>;
    if (at === "later") {
        return (
            <p className={styles.line} role="status">
                <KeyRound size={18} />
                <span>{words.keys.lockedLine} <button type="button" onClick={() => keys.ask()}>{words.keys.lockedAct}</button></span>
            </p>
        );
    }
    if (renewed) {
        return (
            <p className={styles.line} role="status">
                <Sparkles size={18} />
                <span>{words.link.renewed} <button type="button" onClick={() => location.reload()}>{words.link.reload}</button></span>
            </p>
        );
    }
    return line ? <BeyondLine line={line} /> : null;
}
