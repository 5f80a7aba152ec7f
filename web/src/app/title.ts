import { useEffect } from "react";
import type { Session } from "../session/session";
import { titleCount } from "../store/quiet";
import { useValue } from "../store/value";

/** Says in the tab how many messages wait. */
export function useTitle(session: Session): void {
    const rooms = useValue(session.rooms.all);
    const counted = useValue(titleCount) === "on";
    const unread = rooms.reduce((sum, room) => sum + (room.invited ? 1 : room.muted || room.archived ? room.mentions : room.unread), 0);
    useEffect(() => {
        document.title = counted && unread > 0 ? `(${unread}) Freehold` : "Freehold";
    }, [unread, counted]);
    useEffect(() => () => {
        document.title = "Freehold";
    }, []);
}
