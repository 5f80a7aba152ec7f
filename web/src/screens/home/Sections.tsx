import { Archive } from "lucide-react";
import { useRef } from "react";
import type { KeyboardEvent, ReactNode } from "react";
import type { RoomSummary, SpaceSummary } from "../../store/rooms";
import { isNew, section, sectionsOf } from "../../store/section";
import type { Section } from "../../store/section";
import { useValue } from "../../store/value";
import { useStrings } from "../../strings";
import { Face } from "../Face";
import styles from "./Sections.module.css";

/** Which part of the list is shown; gone through with the arrow keys. Nothing while there is one part only. */
export function Sections({ rooms, spaces }: { rooms: RoomSummary[]; spaces: SpaceSummary[] }): ReactNode {
    const words = useStrings().groups;
    const chosen = useValue(section);
    const bar = useRef<HTMLDivElement>(null);
    const offered = sectionsOf(rooms, spaces, chosen);
    if (offered.length === 0) return null;
    const current = offered.includes(chosen) ? chosen : "all";
    const choose = (next: Section): void => {
        section.set(next);
        const chip = bar.current?.querySelector<HTMLElement>(`[data-section="${CSS.escape(next)}"]`);
        chip?.focus();
        chip?.scrollIntoView({ inline: "nearest", block: "nearest" });
    };
    const pressed = (event: KeyboardEvent): void => {
        const rtl = getComputedStyle(event.currentTarget).direction === "rtl" ? -1 : 1;
        const step = event.key === "ArrowRight" ? rtl : event.key === "ArrowLeft" ? -rtl : 0;
        if (!step) return;
        event.preventDefault();
        choose(offered[(offered.indexOf(current) + step + offered.length) % offered.length]!);
    };
    return (
        <div className={styles.bar} ref={bar} role="radiogroup" aria-label={words.sections} onKeyDown={pressed}>
            {offered.map((name) => {
                const space = spaces.find(({ id }) => id === name);
                const news = rooms.filter((room) => isNew(room) && !room.muted && !room.archived && (name === "unread" || space?.rooms.has(room.id))).length;
                return (
                    <button
                        key={name} type="button" role="radio" aria-checked={name === current} tabIndex={name === current ? 0 : -1} className={styles.chip}
                        data-section={name} data-space={space ? "" : undefined} onClick={() => choose(name)}
                    >
                        {space && <Face id={space.id} name={space.name} picture={space.picture} size="tiny" />}
                        {name === "archive" && <Archive size={14} />}
                        <span dir="auto">{space ? space.name : words.section[name as keyof typeof words.section]}</span>
                        {news > 0 && <span className={styles.count}>{news}</span>}
                    </button>
                );
            })}
        </div>
    );
}
