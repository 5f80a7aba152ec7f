import type { ReactNode } from "react";
import { useEffect, useState } from "react";
import { Choice } from "../../components/Choice";
import { Note } from "../../components/Page";
import { Switch } from "../../components/Switch";
import { useSession } from "../../session/use";
import type { Entry, History, RoomInfo } from "../../store/details";
import { useValue } from "../../store/value";
import { useStrings } from "../../strings";
import { useDeed } from "../useDeed";
import styles from "./Details.module.css";

/** Who may join a room, whether it is listed, and who may read what was written. */
export function Access({ info }: { info: RoomInfo }): ReactNode {
    const { governing } = useSession();
    const words = useStrings().groups.settings;
    const { busy, problem, act } = useDeed();
    const restricted = info.entry === "space" || info.entry === "spaceOrAsk";
    return (
        <section className={styles.part}>
            <h3>{words.access}</h3>
            <Choice<Entry>
                label={words.entry} value={info.entry} options={words.entries} hints={words.entryHints} disabled={!info.may.entry || busy}
                onChoose={(entry) => act(() => governing.entry(info.id, entry, info.spaces))}
            />
            {restricted && <Spaces info={info} />}
            <Listed info={info} />
            {info.kind !== "space" && (
                <Choice<History>
                    label={words.history} hint={words.historyHint} value={info.history} options={words.histories} disabled={!info.may.history || busy}
                    onChoose={(history) => act(() => governing.history(info.id, history))}
                />
            )}
            {problem && <Note look="bad">{problem}</Note>}
        </section>
    );
}

/** Which spaces' members may come in. */
function Spaces({ info }: { info: RoomInfo }): ReactNode {
    const { governing, rooms } = useSession();
    const words = useStrings().groups.settings;
    const mine = useValue(rooms.spaces);
    const { busy, problem, act } = useDeed();
    const unknown = info.spaces.filter((id) => !mine.some((space) => space.id === id)).map((id) => ({ id, name: words.unknownSpace }));
    const all = [...mine.filter((space) => space.id !== info.id), ...unknown];
    const change = (id: string, on: boolean): void => act(() => governing.entry(info.id, info.entry, on ? [...info.spaces, id] : info.spaces.filter((other) => other !== id)));
    return (
        <fieldset className={styles.set}>
            <legend>{words.spaces}</legend>
            {all.length === 0 && <p className={styles.lead}>{words.spacesNone}</p>}
            {all.map((space) => <Switch key={space.id} label={space.name} on={info.spaces.includes(space.id)} disabled={!info.may.entry || busy} onChange={(on) => change(space.id, on)} />)}
            {problem && <Note look="bad">{problem}</Note>}
        </fieldset>
    );
}

function Listed({ info }: { info: RoomInfo }): ReactNode {
    const { governing } = useSession();
    const words = useStrings().groups.settings;
    const { busy, problem, act } = useDeed();
    const [listed, setListed] = useState<boolean>();
    useEffect(() => {
        let there = true;
        governing.listed(info.id).then((answer) => there && setListed(answer), () => undefined);
        return () => {
            there = false;
        };
    }, [governing, info.id]);
    if (listed === undefined) return null;
    return (
        <>
            <Switch label={words.listed} hint={words.listedHint} on={listed} disabled={!info.may.alias || busy} onChange={(on) => {
                setListed(on);
                act(async () => {
                    try {
                        await governing.list(info.id, on);
                    } catch (error) {
                        setListed(!on);
                        throw error;
                    }
                });
            }} />
            {problem && <Note look="bad">{problem}</Note>}
        </>
    );
}
