import type { ReactNode } from "react";
import { Button } from "../../components/Button";
import { follow } from "../../components/follow";
import type { Found } from "../../session/finding";
import { go, roomPath } from "../../store/place";
import { useStrings } from "../../strings";
import { Face } from "../Face";
import { useDeed } from "../useDeed";
import styles from "./Find.module.css";
import { useWay } from "./useWay";

interface FoundRowProps {
    room: Found;
    badge?: string | undefined;
    onAsk: (room: Found) => void;
    children?: ReactNode; // what else can be done with it
}

/** A room that could be joined, and the way in. */
export function FoundRow({ room, badge, onAsk, children }: FoundRowProps): ReactNode {
    const strings = useStrings();
    const { busy, problem, act } = useDeed();
    const way = useWay()(room, onAsk);
    const via = room.via.map((server) => `via=${encodeURIComponent(server)}`).join("&");
    const path = `${roomPath(room.id)}${via && `?${via}`}`;
    const facts = [room.space ? strings.groups.space.space : "", room.alias, strings.room.members(room.members)].filter(Boolean).join(" · ");
    return (
        <li className={styles.row}>
            <Face id={room.id} name={room.name} picture={room.picture} />
            <a className={styles.words} href={path} onClick={follow(() => go(path))}>
                <b dir="auto">{room.name}</b>
                <span>{facts}</span>
                {room.topic && <span className={styles.about} dir="auto">{room.topic}</span>}
                {badge && <span className={styles.badge}>{badge}</span>}
                {problem && <span className={styles.about} role="alert">{problem}</span>}
            </a>
            {way.label && <Button look={way.kind === "join" ? "main" : "plain"} busy={busy} aria-label={`${way.label}: ${room.name}`} onClick={() => act(way.take)}>{way.label}</Button>}
            {children}
        </li>
    );
}
