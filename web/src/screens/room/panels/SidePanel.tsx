import type { ReactNode } from "react";
import { go, roomPath } from "../../../store/place";
import type { Place } from "../../../store/place";
import type { RoomSummary } from "../../../store/rooms";
import type { Timeline } from "../../../store/timeline";
import { PinsPanel } from "./PinsPanel";
import { SearchPanel } from "./SearchPanel";
import { ThreadPanel } from "./ThreadPanel";
import { ThreadsPanel } from "./ThreadsPanel";

interface SidePanelProps {
    room: RoomSummary;
    timeline: Timeline;
    place: Extract<Place, { at: "room" }>;
}

/** What the address says stands beside the conversation. */
export function SidePanel({ room, timeline, place }: SidePanelProps): ReactNode {
    const close = (): void => go(roomPath(room.id));
    switch (place.panel) {
        case "thread":
            return place.of ? <ThreadPanel key={place.of} room={room} root={place.of} event={place.event} onClose={close} /> : null;
        case "threads":
            return <ThreadsPanel room={room} timeline={timeline} onClose={close} />;
        case "pins":
            return <PinsPanel room={room} timeline={timeline} onClose={close} />;
        case "search":
            return <SearchPanel room={room} onClose={close} />;
        default:
            return null;
    }
}
