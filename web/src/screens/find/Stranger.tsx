import { ArrowLeft } from "lucide-react";
import { useEffect, useState } from "react";
import type { ReactNode } from "react";
import { Button, IconButton } from "../../components/Button";
import { Linked } from "../../components/Linked";
import { Note, Waiting } from "../../components/Page";
import type { Found } from "../../session/finding";
import { useSession } from "../../session/use";
import { go, homePath, roomPath } from "../../store/place";
import { useStrings } from "../../strings";
import { useDetails } from "../details/useDetails";
import { Face } from "../Face";
import { useDeed } from "../useDeed";
import { AskDialog } from "./AskDialog";
import styles from "./Find.module.css";
import { useWay } from "./useWay";

/** A room that the person is not in: by a link, from a directory or a space, or one that was left. */
export default function Stranger({ address, via }: { address: string; via: string[] }): ReactNode {
    const { finding } = useSession();
    const words = useStrings();
    const [found, setFound] = useState<Found | "nothing">();
    const servers = via.join(" ");
    useEffect(() => {
        let here = true;
        finding.look(address, servers.split(" ").filter(Boolean)).then(
            (room) => {
                if (!here) return;
                if (room?.membership === "join" && room.id !== address) go(roomPath(room.id), true); // its address was only another name
                else setFound(room ?? "nothing");
            },
            () => here && setFound("nothing"),
        );
        return () => {
            here = false;
        };
    }, [finding, address, servers]);
    return (
        <>
            <header className={styles.head}>
                <IconButton label={words.room.back} className={styles.back} onClick={() => go(homePath)}><ArrowLeft size={22} /></IconButton>
                <h1 dir="auto">{found && found !== "nothing" ? found.name : address}</h1>
            </header>
            <div className={styles.page}>
                {found === undefined ? <Waiting label={words.groups.loading} /> : <Card address={address} found={found === "nothing" ? undefined : found} />}
            </div>
        </>
    );
}

function Card({ address, found }: { address: string; found: Found | undefined }): ReactNode {
    const { governing, rooms } = useSession();
    const strings = useStrings();
    const words = strings.groups.found;
    const [asking, setAsking] = useState(false);
    const { busy, problem, act } = useDeed();
    const way = useWay();
    const { info: former } = useDetails(found?.id ?? address);
    const out = former && (former.membership === "leave" || former.membership === "ban") ? former : undefined;
    const entry = found && way(found, () => setAsking(true));
    const banned = out?.membership === "ban";
    const name = found?.name ?? out?.name ?? address;
    if (!found && !out) return <p className={styles.none}>{strings.groups.notFound}</p>;
    return (
        <div className={styles.card}>
            <div className={styles.top}>
                <Face id={found?.id ?? address} name={name} picture={found?.picture ?? out?.picture ?? ""} size="large" />
                <h2 dir="auto">{name}</h2>
                {found && <p className={styles.under}>{[found.space ? strings.groups.space.space : "", found.alias, strings.room.members(found.members)].filter(Boolean).join(" · ")}</p>}
                {found?.topic && <p className={styles.topic} dir="auto"><Linked text={found.topic} /></p>}
            </div>
            {out && <p className={styles.under}>{banned ? (out.by ? words.bannedBy(out.by) : words.banned) : out.by ? words.removed(out.by) : words.left} {out.reason && words.reason(out.reason)}</p>}
            {problem && <Note look="bad">{problem}</Note>}
            {!banned && found && entry?.kind === "none" && <p className={styles.under}>{words.closed}</p>}
            {!banned && found?.entry === "space" && entry?.kind === "join" && <p className={styles.under}>{words.spaceOnly}</p>}
            <div className={styles.pair}>
                {out && <Button disabled={busy} onClick={() => act(() => governing.forget(out.id), () => go(homePath, true))}>{words.forget}</Button>}
                {!banned && entry?.label && <Button look="main" busy={busy} onClick={() => act(entry.take)}>{out && entry.kind === "join" ? words.joinAgain : entry.label}</Button>}
            </div>
            {asking && found && <AskDialog room={found} onClose={() => setAsking(false)} />}
            {found && rooms.get(found.id)?.asked && <p className={styles.under}>{words.asked}</p>}
        </div>
    );
}
