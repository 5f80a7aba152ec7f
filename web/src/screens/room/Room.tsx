import { lazy, Suspense, useEffect, useState } from "react";
import type { ReactNode } from "react";
import { Waiting } from "../../components/Page";
import { useSession } from "../../session/use";
import { go, isDetail, roomPath } from "../../store/place";
import type { DetailPanel, Place } from "../../store/place";
import type { RoomSummary } from "../../store/rooms";
import { useStrings } from "../../strings";
import { ChangedLine } from "../verify/Warnings";
import { CutLine } from "./CutLine";
import { Invitation } from "./Invitation";
import { KnockLine } from "./KnockLine";
import { PinBanner } from "./panels/PinBanner";
import styles from "./Room.module.css";
import { RoomHead } from "./RoomHead";
import { SilentLine } from "./SilentLine";
import { Talk } from "./Talk";

const SidePanel = lazy(() => import("./panels/SidePanel").then((file) => ({ default: file.SidePanel })));
const Panel = lazy(() => import("../details/Panel"));
const Space = lazy(() => import("../space/Space"));
const Stranger = lazy(() => import("../find/Stranger"));
const Asked = lazy(() => import("../find/Asked"));

type RoomPlace = Extract<Place, { at: "room" }>;

interface RoomProps {
    place: RoomPlace;
    summary: RoomSummary | undefined; // undefined when the person is not in it, or the server has not told of it yet
}

export function Room({ place, summary }: RoomProps): ReactNode {
    const waiting = <Waiting label={useStrings().groups.loading} />;
    if (!summary) return <NotThere place={place} />;
    if (summary.invited) return <Invitation room={summary} />;
    if (summary.asked) return <Suspense fallback={waiting}><Asked room={summary} /></Suspense>;
    if (summary.kind !== "space") return <Joined place={place} room={summary} />;
    return (
        <div className={styles.room} data-side={isDetail(place.panel) ? "" : undefined}>
            <div className={styles.talk}><Suspense fallback={waiting}><Space space={summary} /></Suspense></div>
            {isDetail(place.panel) && <About place={place} panel={place.panel} />}
        </div>
    );
}

function Joined({ place, room }: { place: RoomPlace; room: RoomSummary }): ReactNode {
    const session = useSession();
    const words = useStrings().room;
    const { id } = room;
    const [timeline] = useState(() => session.timeline(id));
    const { panel, of } = place;
    const event = panel === "thread" ? undefined : place.event;
    useEffect(() => {
        if (!event) return;
        go(roomPath(id, panel, of), true); // it is shown once: the address is of the room again
        void timeline.jump(event);
    }, [event, panel, of, id, timeline]);
    useEffect(() => {
        if (room.marked) session.sorting.mark(id, false).catch(() => undefined); // it is looked at; else it stays marked
    }, [session, id, room.marked]);
    return (
        <div className={styles.room} data-side={panel ? "" : undefined}>
            <div className={styles.talk}>
                <RoomHead room={room} />
                <CutLine />
                <ChangedLine room={room} />
                <SilentLine room={room} />
                <KnockLine room={room} />
                <PinBanner room={room} timeline={timeline} />
                <Talk timeline={timeline} room={room} label={words.timeline} hint={words.write} drops={panel !== "thread"} />
            </div>
            {isDetail(panel) ? <About place={place} panel={panel} />
            : panel && <Suspense fallback={<aside />}><SidePanel room={room} timeline={timeline} place={place} /></Suspense>}
        </div>
    );
}

/** What there is to know and to set, beside the conversation. */
function About({ place, panel }: { place: RoomPlace; panel: DetailPanel }): ReactNode {
    return <div className={styles.panel}><Suspense><Panel room={place.room} panel={panel} of={place.of ?? ""} /></Suspense></div>;
}

/** A room that was made or joined a moment ago comes with the next answer of the server; any other is a stranger's. */
function NotThere({ place }: { place: RoomPlace }): ReactNode {
    const strings = useStrings();
    const [late, setLate] = useState(false);
    useEffect(() => {
        const timer = setTimeout(() => setLate(true), 1000);
        return () => clearTimeout(timer);
    }, []);
    const waiting = <Waiting label={strings.link.loading} />;
    if (!late) return waiting;
    return <Suspense fallback={waiting}><Stranger key={place.room} address={place.room} via={place.via} /></Suspense>;
}
