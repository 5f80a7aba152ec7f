import { useEffect, useState } from "react";
import { useSession } from "../../../session/use";
import type { Quote } from "../../../store/items";
import { Pins } from "../../../store/pins";
import type { Timeline } from "../../../store/timeline";
import { useValue } from "../../../store/value";

/** What is pinned here and can be seen, the newest last. */
export function usePins(room: string, timeline: Timeline): Quote[] {
    const { client } = useSession();
    const [pins] = useState(() => new Pins(client, room));
    useEffect(() => pins.open(), [pins]);
    useValue(timeline.state); // what is pinned may come, or change
    return useValue(pins.ids).map((id) => timeline.quote(id)).filter((quote) => quote.gist?.is !== "deleted");
}
