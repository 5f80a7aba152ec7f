import type { Found } from "../../session/finding";
import { useSession } from "../../session/use";
import { go, roomPath } from "../../store/place";
import { useValue } from "../../store/value";
import { useStrings } from "../../strings";

interface Way {
    label: string | undefined; // undefined: there is no way in
    kind: "open" | "join" | "ask" | "none";
    take: () => Promise<void>;
}

/** How one gets into a room that was found: it is open already, can be joined, or asked for. */
export function useWay(): (room: Found, ask: (room: Found) => void) => Way {
    const { finding, rooms } = useSession();
    const words = useStrings().groups.found;
    useValue(rooms.all);
    useValue(rooms.spaces);
    return (room, ask) => {
        const address = room.alias || room.id;
        if (rooms.get(room.id)) return { kind: "open", label: words.open, take: () => Promise.resolve(go(roomPath(room.id))) };
        if (room.entry === "open" || room.entry === "space") {
            return { kind: "join", label: words.join, take: async () => go(roomPath(await finding.join(room.via.length > 0 ? room.id : address, room.via))) };
        }
        if (room.entry === "ask") return { kind: "ask", label: words.ask, take: () => Promise.resolve(ask(room)) };
        return { kind: "none", label: undefined, take: () => Promise.resolve() };
    };
}
