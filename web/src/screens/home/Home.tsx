import { MessagesSquare } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import type { ReactNode } from "react";
import { Waiting } from "../../components/Page";
import { useOpened } from "../../session/use";
import type { Session } from "../../session/session";
import type { Lists } from "../../store/glance";
import { usePlace } from "../../store/place";
import { useValue } from "../../store/value";
import { useStrings } from "../../strings";
import { Room } from "../room/Room";
import { StrangerLine } from "../verify/Warnings";
import styles from "./Home.module.css";
import { LinkLine } from "./LinkLine";
import { RoomList } from "./RoomList";
import { Sections } from "./Sections";
import { SidebarHead } from "./SidebarHead";

const CreateDialog = lazy(() => import("../create/CreateDialog"));
const Explore = lazy(() => import("../find/Explore"));
const Person = lazy(() => import("../person/Person"));
const Servers = lazy(() => import("../servers/Servers"));
const Tickets = lazy(() => import("../tickets/Tickets"));

interface HomeProps {
    lists: Lists;
    onSignOut: (session: Session) => Promise<void>;
}

/** The list of rooms, and beside it, or on a phone in its place, the room that is open. While the account is being opened there is the list. */
export function Home({ lists, onSignOut }: HomeProps): ReactNode {
    const session = useOpened();
    const place = usePlace();
    const strings = useStrings();
    const words = strings.rooms;
    const rooms = useValue(lists.all);
    const spaces = useValue(lists.spaces);
    const [filter, setFilter] = useState("");
    const [creating, setCreating] = useState(false);
    const open = place.at === "room" ? place.room : undefined;
    const waiting = <Waiting label={strings.groups.loading} />;
    return (
        <div className={styles.home} data-open={place.at === "home" || place.at === "setup" || place.at === "register" ? undefined : ""}>
            <nav className={styles.side} aria-label={words.title}>
                <SidebarHead filter={filter} onFilter={setFilter} onCreate={() => setCreating(true)} onSignOut={onSignOut} />
                {session && <LinkLine />}
                {session && <StrangerLine />}
                <Sections rooms={rooms} spaces={spaces} />
                <RoomList rooms={rooms} spaces={spaces} filter={filter} open={open} onCreate={() => setCreating(true)} />
            </nav>
            <main className={styles.main}>
                {!session && place.at !== "home" ? waiting
                : session && place.at === "room" ? <Room key={place.room} place={place} summary={session.rooms.get(place.room)} />
                : place.at === "explore" ? <Suspense fallback={waiting}><Explore server={place.server} /></Suspense>
                : place.at === "invite" ? <Suspense fallback={waiting}><Tickets /></Suspense>
                : place.at === "servers" ? <Suspense fallback={waiting}><Servers /></Suspense>
                : place.at === "user" ? <Suspense fallback={waiting}><Person key={place.user} user={place.user} /></Suspense>
                : (
                    <div className={styles.nothing}>
                        <MessagesSquare size={40} strokeWidth={1.5} />
                        <p>{words.choose}</p>
                    </div>
                )}
            </main>
            {creating && <Suspense><CreateDialog onClose={() => setCreating(false)} /></Suspense>}
        </div>
    );
}
