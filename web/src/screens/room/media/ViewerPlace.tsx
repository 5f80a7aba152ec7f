import { lazy, Suspense } from "react";
import type { ReactNode } from "react";
import type { Timeline } from "../../../store/timeline";
import { useValue } from "../../../store/value";
import { viewed } from "./viewing";

const Viewer = lazy(() => import("./Viewer").then((file) => ({ default: file.Viewer })));

/** The viewer, while something is looked at. */
export function ViewerPlace({ timeline }: { timeline: Timeline }): ReactNode {
    const id = useValue(viewed);
    // An own message has a key that is not its id. A thread shows what began it too: that is the room's.
    const here = id !== undefined && timeline.state.get().items.some((item) => item.is === "message" && (item.id === id || item.key === id) && item.id !== timeline.threadId);
    return here && <Suspense><Viewer timeline={timeline} id={id} /></Suspense>;
}
