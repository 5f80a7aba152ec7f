import { ArrowLeft, X } from "lucide-react";
import { useEffect, useRef } from "react";
import type { ReactNode } from "react";
import { IconButton } from "../../components/Button";
import { Waiting } from "../../components/Page";
import type { Member, RoomInfo } from "../../store/details";
import { go, roomPath } from "../../store/place";
import type { DetailPanel as Name } from "../../store/place";
import { useStrings } from "../../strings";
import styles from "./Details.module.css";
import { Info } from "./Info";
import { Invite } from "./Invite";
import { Leave } from "./Leave";
import { LinkPanel } from "./LinkPanel";
import { MemberCard } from "./MemberCard";
import { Members } from "./Members";
import { Roles } from "./Roles";
import { Settings } from "./Settings";
import { useDetails } from "./useDetails";

export interface DetailProps {
    info: RoomInfo;
    members: Member[] | undefined;
}

/** From where one comes to a panel: there its arrow leads back. */
const parents: Record<Name, Name | undefined> = { info: undefined, members: "info", member: "members", settings: "info", roles: "settings", invite: "info", link: "info", leave: "info" };

/** What there is to know and to do about a room, beside its messages; on narrow screens in their place. */
export default function Panel({ room, panel, of }: { room: string; panel: Name; of: string }): ReactNode {
    const { info, members } = useDetails(room);
    const words = useStrings().groups;
    const box = useRef<HTMLElement>(null);
    useEffect(() => {
        const before = document.activeElement as HTMLElement | null;
        box.current?.focus();
        return () => {
            if (before?.isConnected) before.focus();
        };
    }, []);
    useEffect(() => {
        box.current?.querySelector("[data-body]")?.scrollTo(0, 0);
    }, [panel, of]);
    const parent = parents[panel];
    const direct = info?.kind === "person";
    const title = {
        info: words.info.title, members: words.members.title, member: words.member.title, settings: words.settings.title, roles: words.permission.title,
        invite: words.invite.title, link: words.link.title, leave: words.leave,
    }[panel];
    const close = (): void => go(roomPath(room));
    return (
        <section ref={box} className={styles.panel} aria-label={title} tabIndex={-1} onKeyDown={(event) => event.key === "Escape" && !event.defaultPrevented && close()}>
            <header className={styles.head}>
                {parent && <IconButton label={words.back} onClick={() => go(roomPath(room, parent === "members" && direct ? "info" : parent))}><ArrowLeft size={20} className={styles.arrow} /></IconButton>}
                <h2>{title}</h2>
                <IconButton label={words.close} onClick={close}><X size={20} /></IconButton>
            </header>
            <div className={styles.body} data-body="">
                {info ? <Body panel={panel} of={of} info={info} members={members} /> : <Waiting label={words.loading} />}
            </div>
        </section>
    );
}

function Body({ panel, of, info, members }: DetailProps & { panel: Name; of: string }): ReactNode {
    switch (panel) {
        case "info":
            return <Info info={info} members={members} />;
        case "members":
            return <Members info={info} members={members} />;
        case "member":
            return <MemberCard info={info} members={members} user={of} />;
        case "settings":
            return <Settings info={info} members={members} />;
        case "roles":
            return <Roles info={info} members={members} />;
        case "invite":
            return <Invite info={info} members={members} />;
        case "link":
            return <LinkPanel info={info} members={members} />;
        case "leave":
            return <Leave info={info} members={members} />;
    }
}
