import { Download } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import type { ReactNode } from "react";
import { Avatar } from "../../components/Avatar";
import { Button } from "../../components/Button";
import { Note } from "../../components/Page";
import { saveFile } from "../../components/saveFile";
import { useSession } from "../../session/use";
import { useValue } from "../../store/value";
import { useLanguage, useStrings } from "../../strings";
import { exact } from "../../strings/dates";
import { Buttons, Failed, Part } from "./parts";
import styles from "./Settings.module.css";
import { useAct } from "./useAct";

/** A copy of everything of the person's, made on this device. */
export function OwnData(): ReactNode {
    const session = useSession();
    const rooms = useValue(session.rooms.all).filter((room) => !room.invited);
    const words = useStrings().own.data;
    const language = useLanguage();
    const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
    const [progress, setProgress] = useState<{ room: string; messages: number }>();
    const [done, setDone] = useState(false);
    const { busy, failed, run } = useAct();
    const stop = useRef<AbortController>(null);
    useEffect(() => () => stop.current?.abort(), []);
    const toggle = (id: string): void => {
        const next = new Set(chosen);
        if (!next.delete(id)) next.add(id);
        setChosen(next);
    };
    const save = async (): Promise<void> => {
        const control = new AbortController();
        stop.current = control;
        setDone(false);
        const phrases = { language, exact: (at: number) => exact(at, language), title: words.messagesOf, unreadable: words.unreadable, deleted: words.deleted };
        try {
            const file = await session.takeOut([...chosen], phrases, setProgress, control.signal);
            const day = new Date().toISOString().slice(0, 10);
            saveFile(file, words.fileName(session.account.user.slice(1).split(":")[0]!, day));
            setDone(true);
        } catch (error) {
            if (!control.signal.aborted) throw error;
        } finally {
            setProgress(undefined);
        }
    };
    return (
        <Part title={words.title} lead={words.lead}>
            {rooms.length > 0 && (
                <fieldset className={styles.choose} disabled={busy}>
                    <legend>{words.rooms}</legend>
                    <Buttons>
                        <Button onClick={() => setChosen(new Set(rooms.map((room) => room.id)))}>{words.all}</Button>
                        <Button onClick={() => setChosen(new Set())}>{words.none}</Button>
                    </Buttons>
                    <div className={styles.rooms}>
                        {rooms.map((room) => (
                            <label key={room.id}>
                                <input type="checkbox" checked={chosen.has(room.id)} onChange={() => toggle(room.id)} />
                                <Avatar id={room.other || room.id} name={room.name} size="small" />
                                <span dir="auto">{room.name}</span>
                            </label>
                        ))}
                    </div>
                </fieldset>
            )}
            {chosen.size > 0 && <Note look="warn">{words.warning}</Note>}
            <Failed when={failed} />
            <p role="status">{progress ? words.working(progress.room, progress.messages) : done ? words.done : ""}</p>
            <Buttons>
                <Button look="main" busy={busy} onClick={() => void run(save)}><Download size={18} />{words.save}</Button>
                {busy && <Button onClick={() => stop.current?.abort()}>{words.stop}</Button>}
            </Buttons>
        </Part>
    );
}
