import { Archive, Bell, BellOff, BellRing, ChevronRight, Flag, History, Link2, Lock, LockOpen, LogOut, MessagesSquare, MoveRight, Pin, Settings, SlidersHorizontal, UserPlus, Users } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import type { ReactNode } from "react";
import { Linked } from "../../components/Linked";
import { Note } from "../../components/Page";
import { useSession } from "../../session/use";
import { go, roomPath } from "../../store/place";
import type { Panel } from "../../store/place";
import { useValue } from "../../store/value";
import { useStrings } from "../../strings";
import { Face } from "../Face";
import { PersonCard } from "../person/PersonCard";
import { useDeed } from "../useDeed";
import styles from "./Details.module.css";
import { Knocks } from "./Knocks";
import type { DetailProps } from "./Panel";
import { ReportDialog } from "./ReportDialog";

const RoomNotifications = lazy(() => import("../settings/RoomNotifications"));

/** What a room is, and the ways to everything about it. */
export function Info({ info, members }: DetailProps): ReactNode {
    const { rooms, governing } = useSession();
    useValue(rooms.all);
    const strings = useStrings();
    const words = strings.groups;
    const [asked, setAsked] = useState<"report" | "notifications">();
    const close = (): void => setAsked(undefined);
    const summary = rooms.get(info.id);
    const to = (panel: Panel) => (): void => go(roomPath(info.id, panel));
    return (
        <>
            {info.kind === "person" && summary ? <PersonCard user={summary.other} name={summary.name} picture={summary.picture} here={info.id} /> : (
                <div className={styles.top}>
                    <Face id={info.id} name={info.name} picture={info.picture} size="large" />
                    <h3 dir="auto">{info.name}</h3>
                    <p className={styles.under}>{words.kind[info.kind]}{info.alias && <> · <span dir="ltr">{info.alias}</span></>}</p>
                    {info.topic && <p className={styles.topic} dir="auto"><Linked text={info.topic} /></p>}
                </div>
            )}
            {info.kind !== "space" && summary && <Tools room={info.id} />}
            {info.successor && (
                <p className={styles.note}><MoveRight size={18} /><span>{words.info.newer} <button type="button" onClick={() => go(roomPath(info.successor))}>{words.info.newerOpen}</button></span></p>
            )}
            <Knocks info={info} members={members} />
            <div className={styles.rows}>
                {info.kind !== "person" && <Way icon={<Users size={20} />} name={words.info.members} side={members && String(members.filter((member) => member.membership === "join").length)} go={to("members")} />}
                {info.may.invite && info.kind !== "person" && <Way icon={<UserPlus size={20} />} name={words.info.invite} go={to("invite")} />}
                {info.kind !== "person" && <Way icon={<Link2 size={20} />} name={words.info.link} go={to("link")} />}
                {info.kind !== "space" && <Way icon={<MessagesSquare size={20} />} name={strings.talk.threads.all} go={to("threads")} />}
                {info.kind !== "space" && <Way icon={<BellRing size={20} />} name={strings.own.notifications.room} go={() => setAsked("notifications")} />}
                <Way icon={<Settings size={20} />} name={words.info.settings} go={to("settings")} />
                <Way icon={<SlidersHorizontal size={20} />} name={words.info.permissions} go={to("roles")} />
            </div>
            {info.predecessor && (
                <p className={styles.note}><History size={18} /><span>{words.info.older} <button type="button" onClick={() => go(roomPath(info.predecessor))}>{words.info.olderOpen}</button></span></p>
            )}
            {info.kind !== "space" && (
                <p className={styles.note}>{info.encrypted ? <Lock size={18} /> : <LockOpen size={18} />}<span>{info.encrypted ? words.info.encrypted : words.info.open}</span></p>
            )}
            <div className={styles.rows}>
                {info.kind !== "person" && <button type="button" className={styles.row} onClick={() => setAsked("report")}><Flag size={20} />{words.info.report}</button>}
                <button type="button" className={styles.row} data-bad="" onClick={to("leave")}><LogOut size={20} />{words.info.leave[info.kind]}</button>
            </div>
            {asked === "report" && <ReportDialog name={info.name} report={(reason) => governing.report(info.id, reason)} onClose={close} />}
            {asked === "notifications" && <Suspense><RoomNotifications room={info.id} onClose={close} /></Suspense>}
        </>
    );
}

const Way = ({ icon, name, side, go }: { icon: ReactNode; name: string; side?: string | undefined; go: () => void }): ReactNode => (
    <button type="button" className={styles.row} onClick={go}>
        {icon}<span className={styles.words}>{name}</span>{side !== undefined && <span className={styles.side}>{side}</span>}<ChevronRight size={18} className={styles.arrow} />
    </button>
);

/** Where the person puts the conversation. */
function Tools({ room }: { room: string }): ReactNode {
    const { rooms, sorting } = useSession();
    const words = useStrings().groups;
    const { problem, act } = useDeed();
    const summary = rooms.get(room);
    if (!summary) return null;
    const { muted, pinned, archived } = summary;
    return (
        <>
            <div className={styles.tools}>
                <button type="button" aria-pressed={muted} onClick={() => act(() => sorting.mute(room, !muted))}>{muted ? <BellOff size={20} /> : <Bell size={20} />}{muted ? words.muted : words.mute}</button>
                <button type="button" aria-pressed={pinned} onClick={() => act(() => sorting.pin(room, !pinned))}><Pin size={20} />{pinned ? words.pinned : words.pin}</button>
                <button type="button" aria-pressed={archived} onClick={() => act(() => sorting.archive(room, !archived))}><Archive size={20} />{archived ? words.section.archive : words.archive}</button>
            </div>
            {problem && <Note look="bad">{problem}</Note>}
        </>
    );
}
