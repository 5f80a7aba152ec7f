import type { ReactNode } from "react";
import { LinkField } from "../../components/LinkField";
import { QrCode } from "../../components/QrCode";
import { ownServer } from "../../session/entry";
import type { RoomInfo } from "../../store/details";
import { roomLink } from "../../store/place";
import { useStrings } from "../../strings";
import styles from "./Details.module.css";
import type { DetailProps } from "./Panel";

/** The way to a room, to be passed on. */
export function LinkPanel({ info }: DetailProps): ReactNode {
    const words = useStrings().groups.link;
    const link = useRoomLink(info);
    return (
        <section className={styles.part}>
            <p className={styles.lead}>{words.lead[info.entry]}</p>
            <div className={styles.center}><QrCode data={link} label={words.qr} /></div>
            <LinkField label={words.field} link={link} />
        </section>
    );
}

export function RoomLinkField({ info }: { info: RoomInfo }): ReactNode {
    const words = useStrings().groups.link;
    const link = useRoomLink(info);
    return (
        <>
            <p className={styles.lead}>{words.lead[info.entry]}</p>
            <LinkField label={words.field} link={link} />
        </>
    );
}

/** By its address where it has one, which says where it is; else by its id and servers that know it. */
function useRoomLink(info: RoomInfo): string {
    return info.alias ? roomLink(ownServer(), info.alias, []) : roomLink(ownServer(), info.id, info.servers);
}
