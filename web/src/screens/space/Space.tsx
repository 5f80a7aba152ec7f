import { ArrowLeft, Info, MoreVertical, Plus, SquarePen } from "lucide-react";
import { lazy, Suspense, useCallback, useEffect, useState } from "react";
import type { ReactNode } from "react";
import { Button, IconButton } from "../../components/Button";
import { Linked } from "../../components/Linked";
import { Menu, MenuItem } from "../../components/Menu";
import { Note, Waiting } from "../../components/Page";
import type { Child, Found } from "../../session/finding";
import { useSession } from "../../session/use";
import { go, homePath, roomPath } from "../../store/place";
import type { RoomSummary } from "../../store/rooms";
import { useValue } from "../../store/value";
import { useStrings } from "../../strings";
import { useDetails } from "../details/useDetails";
import { Face } from "../Face";
import { AskDialog } from "../find/AskDialog";
import styles from "../find/Find.module.css";
import { FoundRow } from "../find/FoundRow";
import { useDeed } from "../useDeed";
import { AddDialog } from "./AddDialog";

const CreateDialog = lazy(() => import("../create/CreateDialog"));

/** A space: what is in it, and the ways in. */
export default function Space({ space }: { space: RoomSummary }): ReactNode {
    const { finding, making, rooms } = useSession();
    const strings = useStrings();
    const words = strings.groups.space;
    const { info } = useDetails(space.id);
    const [children, setChildren] = useState<Child[]>();
    const [asked, setAsked] = useState<Found>();
    const [doing, setDoing] = useState<"add" | "create">();
    const { busy, problem, act } = useDeed();
    useValue(rooms.all); // what has been joined meanwhile
    const known = useValue(rooms.spaces).find(({ id }) => id === space.id)?.rooms.size; // when it changes, so does the space
    const load = useCallback(async (): Promise<void> => setChildren(await finding.within(space.id)), [finding, space.id]);
    useEffect(() => {
        let here = true;
        finding.within(space.id).then((found) => here && setChildren(found), (error: unknown) => {
            console.warn("the space could not be read", error);
            if (here) setChildren((before) => before ?? []);
        });
        return () => {
            here = false;
        };
    }, [finding, space.id, known]);
    const change = (deed: () => Promise<void>): void => act(async () => { await deed(); await load(); });
    const offered = children?.filter((child) => child.suggested && !rooms.get(child.id) && (child.entry === "open" || child.entry === "space")) ?? [];
    const joinOffered = async (): Promise<void> => {
        for (const child of offered) await finding.join(child.id, child.via);
    };
    const may = info?.may.children === true;
    return (
        <>
            <header className={styles.head}>
                <IconButton label={strings.room.back} className={styles.back} onClick={() => go(homePath)}><ArrowLeft size={22} /></IconButton>
                <Face id={space.id} name={space.name} picture={space.picture} size="small" />
                <h1 dir="auto">{space.name}</h1>
                <IconButton label={strings.groups.about} onClick={() => go(roomPath(space.id, "info"))}><Info size={20} /></IconButton>
            </header>
            <div className={styles.page}>
                {info?.topic && <p className={styles.topic} dir="auto"><Linked text={info.topic} /></p>}
                {problem && <Note look="bad">{problem}</Note>}
                {(may || offered.length > 0) && (
                    <div className={styles.pair}>
                        {offered.length > 0 && <Button look="main" busy={busy} onClick={() => change(joinOffered)}>{words.joinSuggested(offered.length)}</Button>}
                        {may && <Button onClick={() => setDoing("create")}><SquarePen size={18} />{words.create}</Button>}
                        {may && <Button onClick={() => setDoing("add")}><Plus size={18} />{words.add}</Button>}
                    </div>
                )}
                <h2 className="unseen">{words.rooms}</h2>
                {!children ? <Waiting label={strings.groups.loading} />
                : children.length === 0 ? <p className={styles.none}>{words.empty}</p>
                : (
                    <ul className={styles.rows}>
                        {children.map((child) => (
                            <FoundRow key={child.id} room={child} badge={child.suggested ? words.suggested : undefined} onAsk={setAsked}>
                                {may && (
                                    <Menu trigger={<IconButton label={words.menu(child.name)}><MoreVertical size={18} /></IconButton>}>
                                        <MenuItem onClick={() => change(() => making.addTo(space.id, child.id, !child.suggested))}>{child.suggested ? words.unsuggest : words.suggest}</MenuItem>
                                        <MenuItem bad onClick={() => change(() => making.removeFrom(space.id, child.id))}>{words.remove}</MenuItem>
                                    </Menu>
                                )}
                            </FoundRow>
                        ))}
                    </ul>
                )}
            </div>
            {asked && <AskDialog room={asked} onClose={() => setAsked(undefined)} />}
            {doing === "create" && <Suspense><CreateDialog space={space.id} onClose={() => setDoing(undefined)} /></Suspense>}
            {doing === "add" && <AddDialog space={space} present={children ?? []} onClose={() => { setDoing(undefined); void load().catch(() => undefined); }} />}
        </>
    );
}
