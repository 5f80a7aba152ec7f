import { Pause, Play } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import type { ReactNode } from "react";
import { useFile } from "../../../session/media/use";
import type { FileGist } from "../../../store/attachment";
import { useStrings } from "../../../strings";
import { length } from "../../../strings/sizes";
import styles from "./Media.module.css";
import { barsOf } from "./bars";
import { Ring } from "./Ring";
import { Stop } from "./Stop";
import type { OnTheWay } from "./useOnTheWay";
import { wholeWish } from "./wish";

const barCount = 44;
const speeds = [1, 1.5, 2];

let playing: HTMLAudioElement | undefined; // one at a time

/** A voice message or another recording: play, seek, speed. It is fetched when it is played. */
export function Sound({ gist, way }: { gist: FileGist; way: OnTheWay | undefined }): ReactNode {
    const words = useStrings().media;
    const audio = useRef<HTMLAudioElement>(null);
    const [wanted, setWanted] = useState(false);
    const [on, setOn] = useState(false);
    const [at, setAt] = useState(0); // seconds
    const [known, setKnown] = useState(0);
    const [speed, setSpeed] = useState(0);
    const [bars] = useState(() => barsOf(gist.file?.wave ?? [], barCount));
    const shown = useFile(wanted ? wholeWish(gist) : undefined);
    const url = shown?.at === "there" ? shown.url : undefined;
    const all = known || (gist.file?.duration ?? 0) / 1000;

    useEffect(() => {
        const element = audio.current;
        return () => element?.pause();
    }, []);
    // The rate is lost when a file is loaded.
    useEffect(() => {
        if (audio.current) audio.current.playbackRate = speeds[speed]!;
    }, [speed, url]);

    const toggle = (): void => {
        const element = audio.current!;
        if (!wanted) setWanted(true); // it begins by itself once it has come
        else if (element.paused) void element.play().catch(() => undefined);
        else element.pause();
    };
    const seek = (seconds: number): void => {
        setAt(seconds);
        if (url) audio.current!.currentTime = seconds;
        else setWanted(true);
    };
    const loading = wanted && shown?.at === "coming";
    return (
        <span className={styles.sound}>
            <audio
                ref={audio} src={url} preload="auto" autoPlay={wanted}
                onLoadedMetadata={(e) => {
                    const { duration } = e.currentTarget;
                    if (Number.isFinite(duration)) setKnown(duration);
                    if (at > 0) e.currentTarget.currentTime = at;
                }}
                onPlay={(e) => { if (playing !== e.currentTarget) playing?.pause(); playing = e.currentTarget; setOn(true); }}
                onPause={() => setOn(false)}
                onTimeUpdate={(e) => setAt(e.currentTarget.currentTime)}
                onEnded={() => setAt(0)}
            />
            {way ? <Stop way={way} name={gist.kind === "voice" ? words.voiceName : gist.name} /> : <button type="button" className={styles.soundPlay} aria-label={on ? words.pause : words.play} title={on ? words.pause : words.play} onClick={toggle}>
                {on ? <Pause size={20} fill="currentColor" /> : <Play size={20} fill="currentColor" />}
                {loading && <Ring part={shown.part} label={words.downloading(Math.round(shown.part * 100))} />}
            </button>}
            <span className={styles.soundBody}>
                {gist.kind === "voice" ? <Wave bars={bars} played={all ? at / all : 0} /> : <span className={styles.soundName} dir="auto">{gist.name}</span>}
                <input
                    className={gist.kind === "voice" ? styles.seekWave : styles.seek} type="range" min={0} max={Math.max(all, 0.1)} step="any" value={Math.min(at, all)}
                    aria-label={words.position} aria-valuetext={words.positionOf(length(at * 1000), length(all * 1000))} onChange={(e) => seek(Number(e.target.value))}
                />
                <span className={styles.soundFoot}>
                    <span>{shown?.at === "failed" ? words.failed[shown.why] : on || at > 0 ? length(at * 1000) : length(all * 1000)}</span>
                    <button type="button" className={styles.speed} aria-label={words.speed(`${speeds[speed]!}×`)} onClick={() => setSpeed((speed + 1) % speeds.length)}>{speeds[speed]}×</button>
                </span>
            </span>
        </span>
    );
}

function Wave({ bars, played }: { bars: number[]; played: number }): ReactNode {
    return (
        <svg className={styles.wave} viewBox={`0 0 ${bars.length * 4} 28`} preserveAspectRatio="none" aria-hidden="true">
            {bars.map((loud, i) => {
                const height = 3 + loud * 25;
                return <rect key={i} x={i * 4} y={(28 - height) / 2} width="2.4" height={height} rx="1.2" data-played={(i + 0.5) / bars.length <= played ? "" : undefined} />;
            })}
        </svg>
    );
}
