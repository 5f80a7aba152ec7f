import { ArrowLeft, ArrowRight } from "lucide-react";
import { useEffect, useState } from "react";
import type { ReactNode, SyntheticEvent } from "react";
import { Button, IconButton } from "../../components/Button";
import { Field } from "../../components/Field";
import { Note, Waiting } from "../../components/Page";
import { Select } from "../../components/Select";
import { targetOf } from "../../session/addresses";
import type { Found } from "../../session/finding";
import { useSession } from "../../session/use";
import { explorePath, go, homePath, roomPath, userPath } from "../../store/place";
import { useStrings } from "../../strings";
import { AskDialog } from "./AskDialog";
import styles from "./Find.module.css";
import { FoundRow } from "./FoundRow";

const place = "freehold.of.directories"; // other servers whose directories were looked at

function directories(): string[] {
    try {
        const read: unknown = JSON.parse(localStorage.getItem(place) ?? "[]");
        return Array.isArray(read) ? read.filter((name) => typeof name === "string") : [];
    } catch {
        return [];
    }
}

/** The public directories, and the way to any room whose address is known. */
export default function Explore({ server }: { server: string }): ReactNode {
    const { finding } = useSession();
    const strings = useStrings();
    const words = strings.groups.found;
    const [typed, setTyped] = useState("");
    const [known, setKnown] = useState(directories);
    const [naming, setNaming] = useState(false);
    const [asked, setAsked] = useState<Found>();
    const target = targetOf(typed, finding.ownServer);
    const others = [...new Set([...known, ...(server && server !== finding.ownServer ? [server] : [])])];
    const follow = (): void => {
        if (!target) return;
        const via = target.via.map((name) => `via=${encodeURIComponent(name)}`).join("&");
        go(target.room.startsWith("@") ? userPath(target.room) : `${roomPath(target.room)}${via && `?${via}`}`);
    };
    const show = (name: string): void => {
        const next = [...new Set([...known, name])].slice(-10);
        localStorage.setItem(place, JSON.stringify(next));
        setKnown(next);
        setNaming(false);
        go(explorePath(name));
    };
    return (
        <>
            <header className={styles.head}>
                <IconButton label={strings.room.back} className={styles.back} onClick={() => go(homePath)}><ArrowLeft size={22} /></IconButton>
                <h1>{words.title}</h1>
            </header>
            <div className={styles.page}>
                <form className={styles.form} onSubmit={(event: SyntheticEvent) => { event.preventDefault(); follow(); }}>
                    <Field label={words.search} hint={words.searchHint} type="search" value={typed} onChange={(event) => setTyped(event.target.value)} autoComplete="off" autoCapitalize="none" spellCheck={false} />
                    {target && <Button type="submit" look="main">{words.goTo(target.room)}<ArrowRight size={18} /></Button>}
                </form>
                <Select
                    label={words.server} value={naming ? "?" : server} options={[["", words.ownServer(finding.ownServer)], ...others.map((name): [string, string] => [name, name]), ["?", words.otherServer]]}
                    onChoose={(chosen) => { setNaming(chosen === "?"); if (chosen !== "?") go(explorePath(chosen)); }}
                />
                {naming && <OtherServer onShow={show} />}
                <Listing key={server} server={server} term={target ? "" : typed.trim()} onAsk={setAsked} />
            </div>
            {asked && <AskDialog room={asked} onClose={() => setAsked(undefined)} />}
        </>
    );
}

function OtherServer({ onShow }: { onShow: (server: string) => void }): ReactNode {
    const words = useStrings().groups.found;
    const [name, setName] = useState("");
    return (
        <form className={styles.form} onSubmit={(event: SyntheticEvent) => { event.preventDefault(); onShow(name.trim()); }}>
            <Field label={words.serverName} value={name} onChange={(event) => setName(event.target.value)} required autoFocus autoComplete="off" autoCapitalize="none" spellCheck={false} pattern="\s*[A-Za-z0-9.\-:\[\]]+\s*" />
            <Button type="submit">{words.show}</Button>
        </form>
    );
}

/** A server's directory, a page at a time. */
function Listing({ server, term, onAsk }: { server: string; term: string; onAsk: (room: Found) => void }): ReactNode {
    const { finding } = useSession();
    const strings = useStrings().groups;
    const [page, setPage] = useState<{ term: string; rooms: Found[]; next: string | undefined }>();
    const [failed, setFailed] = useState(false);
    useEffect(() => {
        let here = true;
        const timer = setTimeout(() => {
            setFailed(false);
            finding.directory(server, term).then((answer) => here && setPage({ term, ...answer }), () => here && setFailed(true));
        }, term ? 300 : 0);
        return () => {
            here = false;
            clearTimeout(timer);
        };
    }, [finding, server, term]);
    const more = async (): Promise<void> => {
        const answer = await finding.directory(server, term, page?.next);
        setPage({ term, rooms: [...(page?.rooms ?? []), ...answer.rooms], next: answer.next });
    };
    if (failed) return <Note look="warn">{strings.found.failed}</Note>;
    if (!page) return <Waiting label={strings.loading} />;
    if (page.rooms.length === 0) return <p className={styles.none}>{page.term ? strings.found.noneFound : strings.found.none}</p>;
    return (
        <>
            <ul className={styles.rows}>{page.rooms.map((room) => <FoundRow key={room.id} room={room} onAsk={onAsk} />)}</ul>
            {page.next && <Button onClick={() => void more().catch(() => setFailed(true))}>{strings.more}</Button>}
        </>
    );
}
