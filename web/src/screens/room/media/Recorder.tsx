import { SendHorizontal, Trash2 } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import type { ReactNode } from "react";
import { IconButton } from "../../../components/Button";
import { record } from "../../../session/media/voice";
import type { Recording } from "../../../session/media/voice";
import { useSession } from "../../../session/use";
import { useStrings } from "../../../strings";
import { length } from "../../../strings/sizes";
import type { Target } from "./chosen";
import styles from "./Recorder.module.css";

const every = 80; // milliseconds between two bars
const barCount = 48;
const longest = 30 * 60_000; // limit: length of a voice message | 30 minutes | it is sent

/** A voice message while it is spoken, in the place of what is written. */
export function Recorder({ target, onDone }: { target: Target; onDone: () => void }): ReactNode {
    const { sending } = useSession();
    const words = useStrings().media;
    const recording = useRef<Recording>(undefined);
    const [refused, setRefused] = useState(false);
    const [at, setAt] = useState<{ since: number; now: number }>();
    const [levels, setLevels] = useState<number[]>([]);
    const [busy, setBusy] = useState(false);

    useEffect(() => {
        let gone = false;
        let timer: ReturnType<typeof setInterval> | undefined;
        record().then((begun) => {
            if (gone) {
                begun.discard();
                return;
            }
            recording.current = begun;
            const since = Date.now();
            setAt({ since, now: since });
            timer = setInterval(() => {
                setAt({ since, now: Date.now() });
                setLevels((before) => [...before, begun.level()].slice(-barCount));
            }, every);
        }, () => setRefused(true));
        return () => {
            gone = true;
            clearInterval(timer);
            recording.current?.discard();
            recording.current = undefined;
        };
    }, []);

    const send = async (): Promise<void> => {
        const made = recording.current;
        if (!made || busy) return;
        recording.current = undefined; // it is no longer to be discarded
        setBusy(true);
        try {
            sending.prepared(target.room, await made.finish(words.voiceName), target.take().first);
        } catch (error) {
            console.warn("nothing was recorded", error);
        }
        onDone();
    };
    const lasted = at ? at.now - at.since : 0;
    useEffect(() => {
        if (lasted > longest) void send();
    });

    if (refused) {
        return (
            <div className={styles.recorder} role="alert">
                <p className={styles.refused}>{words.noMicrophone}</p>
                <button type="button" className={styles.dismiss} autoFocus onClick={onDone}>{words.dismiss}</button>
            </div>
        );
    }
    return (
        <div className={styles.recorder} role="group" aria-label={words.recording} onKeyDown={(e) => e.key === "Escape" && onDone()}>
            <IconButton label={words.discard} className={styles.discard} onClick={onDone}><Trash2 size={20} /></IconButton>
            <span className={styles.dot} data-on={at ? "" : undefined} />
            <span className={styles.time} role="timer">{length(lasted)}</span>
            <span className={styles.levels} aria-hidden="true">{levels.map((level, i) => <i key={i} style={{ height: `${12 + level * 88}%` }} />)}</span>
            <button type="button" className={styles.send} aria-label={words.sendVoice} title={words.sendVoice} autoFocus disabled={!at || busy} onClick={() => void send()}><SendHorizontal size={20} /></button>
        </div>
    );
}
