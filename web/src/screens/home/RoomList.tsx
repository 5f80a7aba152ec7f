import { useRef, useState } from "react";
import type { KeyboardEvent, MouseEvent, ReactNode } from "react";
import { VList } from "virtua";
import type { VListHandle } from "virtua";
import { ContextMenu } from "../../components/ContextMenu";
import { useOpened } from "../../session/use";
import type { RoomSummary, SpaceSummary } from "../../store/rooms";
import { inSection, section } from "../../store/section";
import { useValue } from "../../store/value";
import { useStrings } from "../../strings";
import { Beginning } from "./Beginning";
import styles from "./RoomList.module.css";
import { RoomMenuItems } from "./RoomMenuItems";
import { RoomRow } from "./RoomRow";
import { SpaceLine } from "./SpaceLine";

interface RoomListProps {
    rooms: RoomSummary[];
    spaces: SpaceSummary[];
    filter: string;
    open: string | undefined;
    onCreate: () => void;
}

/** The conversations. One of them is in the order of focus, the arrow keys go on from there. */
export function RoomList({ rooms, spaces, filter, open, onCreate }: RoomListProps): ReactNode {
    const words = useStrings();
    const session = useOpened();
    const chosen = useValue(section);
    const list = useRef<VListHandle>(null);
    const [focused, setFocused] = useState<string>();
    const [target, setTarget] = useState<string>();
    if (rooms.length === 0 && spaces.length === 0) return <Beginning onCreate={onCreate} />;
    const space = filter ? undefined : spaces.find(({ id }) => id === chosen);
    const shown = filter.trim() ? matching(rooms, filter) : inSection(rooms, chosen, spaces);
    const none = <p className={styles.none}>{filter ? words.rooms.noneFound : words.groups.sectionEmpty}</p>;
    const at = Math.max(0, shown.findIndex((room) => room.id === (focused ?? open)));

    const pressed = (event: KeyboardEvent<HTMLElement>): void => {
        const from = shown.findIndex((room) => room.id === roomOf(event.target));
        const to = { ArrowDown: from + 1, ArrowUp: from - 1, Home: 0, End: shown.length - 1 }[event.key];
        if (to === undefined || from < 0) return;
        event.preventDefault();
        const next = shown[to];
        if (!next) return;
        const box = event.currentTarget;
        setFocused(next.id);
        list.current?.scrollToIndex(to, { align: "nearest" });
        const focus = (tries: number): void => { // it is drawn in a moment when it was out of sight
            const link = box.querySelector<HTMLElement>(`[data-room="${CSS.escape(next.id)}"]`);
            if (link) link.focus({ preventScroll: true });
            else if (tries > 0) requestAnimationFrame(() => focus(tries - 1));
        };
        focus(10);
    };
    const asked = (event: MouseEvent): void => {
        const room = roomOf(event.target);
        setTarget(room);
        if (!room || !session) event.stopPropagation();
    };
    const room = rooms.find(({ id }) => id === target);
    return (
        <>
            {space && <SpaceLine space={space} open={open} />}
            {shown.length === 0 ? none : (
                <ContextMenu
                    trigger={
                        <div className={styles.frame} onContextMenuCapture={asked} onTouchStartCapture={(event) => setTarget(roomOf(event.target))} onKeyDown={pressed}>
                            <VList ref={list} className={styles.list} role="list" data-rooms="" keepMounted={[at]}>
                                {shown.map((room, i) => <RoomRow key={room.id} room={room} open={room.id === open} stop={i === at} />)}
                            </VList>
                        </div>
                    }
                >
                    {room && <RoomMenuItems room={room} />}
                </ContextMenu>
            )}
        </>
    );
}

const roomOf = (target: EventTarget): string | undefined => (target as Element).closest<HTMLElement>("[data-room]")?.dataset.room;

/** Rooms whose name, or the address of whose person, has every typed word in it. */
export function matching(rooms: RoomSummary[], filter: string): RoomSummary[] {
    const words = filter.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    if (words.length === 0) return rooms;
    return rooms.filter((room) => {
        const name = `${room.name} ${room.other}`.toLocaleLowerCase();
        return words.every((word) => name.includes(word));
    });
}
