import { Dialog } from "@base-ui/react/dialog";
import { ChevronLeft, ChevronRight, Download, X, ZoomIn, ZoomOut } from "lucide-react";
import { useEffect, useRef } from "react";
import type { KeyboardEvent, ReactNode } from "react";
import { IconButton } from "../../../components/Button";
import { saveFile } from "../../../session/media/save";
import { useFile } from "../../../session/media/use";
import { useSession } from "../../../session/use";
import type { FileGist } from "../../../store/attachment";
import type { Item, Message } from "../../../store/items";
import type { Timeline } from "../../../store/timeline";
import { plainText } from "../../../store/plain";
import { useValue } from "../../../store/value";
import { useLanguage, useStrings } from "../../../strings";
import { exact } from "../../../strings/dates";
import { Blur } from "./Blur";
import { Ring } from "./Ring";
import { useZoom } from "./useZoom";
import type { Zoom } from "./useZoom";
import styles from "./Viewer.module.css";
import { view } from "./viewing";
import { lookOf, previewWish, wholeWish } from "./wish";

type Seen = Message & { gist: FileGist };

const isSeen = (item: Item): item is Seen => item.is === "message" && item.gist.is === "file" && ["image", "video"].includes(lookOf(item.gist));

/** The pictures and films of a conversation, one at a time, over the whole window. */
export function Viewer({ timeline, id }: { timeline: Timeline; id: string }): ReactNode {
    const { items, older } = useValue(timeline.state);
    const { media } = useSession();
    const words = useStrings().media;
    const language = useLanguage();
    const seen = items.filter(isSeen);
    const at = seen.findIndex((item) => item.id === id || item.key === id);
    const item = seen[at];
    const zoom = useZoom(id);
    const box = useRef<HTMLDivElement>(null);

    useEffect(() => {
        if (!item) view(undefined); // it has been deleted
    }, [item]);
    useEffect(() => {
        if (at === 0 && older === "some") void timeline.more();
    }, [at, older, timeline]);
    if (!item) return null;

    const step = (by: number): void => {
        const next = seen[at + by];
        if (next) view(next.id);
    };
    const pressed = (event: KeyboardEvent): void => {
        if ((event.target as HTMLElement).tagName === "VIDEO") return; // there the arrows seek
        const act = { ArrowLeft: () => step(-1), ArrowRight: () => step(1), "+": zoom.in, "=": zoom.in, "-": zoom.out, "0": zoom.reset }[event.key];
        if (!act) return;
        event.preventDefault();
        act();
    };
    const film = lookOf(item.gist) === "video";
    const save = (): void => void saveFile(media, item.gist.file!.source, item.gist.name, new AbortController().signal, () => undefined).catch(() => undefined);
    return (
        <Dialog.Root open onOpenChange={(open) => !open && view(undefined)}>
            <Dialog.Portal>
                <Dialog.Popup className={styles.viewer} ref={box} initialFocus={box} onKeyDown={pressed} aria-label={words.viewer}>
                    <header className={styles.head}>
                        <div className={styles.about}>
                            <h2 dir="auto">{item.name}</h2>
                            <p>{seen.length > 1 && `${at + 1} / ${seen.length} · `}{exact(item.at, language)}</p>
                        </div>
                        {!film && (
                            <>
                                <IconButton label={words.zoomOut} onClick={zoom.out} disabled={zoom.scale <= 1}><ZoomOut size={20} /></IconButton>
                                <IconButton label={words.zoomIn} onClick={zoom.in} disabled={!zoom.canGrow}><ZoomIn size={20} /></IconButton>
                            </>
                        )}
                        <IconButton label={words.download(item.gist.name)} onClick={save}><Download size={20} /></IconButton>
                        <IconButton label={words.close} onClick={() => view(undefined)}><X size={22} /></IconButton>
                    </header>
                    <div className={styles.stage} onClick={(e) => e.target === e.currentTarget && view(undefined)}>
                        <Whole key={item.key} gist={item.gist} film={film} zoom={zoom} onSwipe={step} />
                    </div>
                    {item.gist.caption && <p className={styles.caption} dir="auto">{plainText(item.gist.html ?? "", item.gist.caption)}</p>}
                    <IconButton label={words.previous} className={`${styles.step} ${styles.before}`} disabled={at === 0} onClick={() => step(-1)}><ChevronLeft size={28} /></IconButton>
                    <IconButton label={words.next} className={`${styles.step} ${styles.after}`} disabled={at === seen.length - 1} onClick={() => step(1)}><ChevronRight size={28} /></IconButton>
                </Dialog.Popup>
            </Dialog.Portal>
        </Dialog.Root>
    );
}

interface WholeProps {
    gist: FileGist;
    film: boolean;
    zoom: Zoom;
    onSwipe: (by: number) => void;
}

/** The whole of it; its preview until it has come. */
function Whole({ gist, film, zoom, onSwipe }: WholeProps): ReactNode {
    const words = useStrings().media;
    const preview = useFile(previewWish(gist));
    const whole = useFile(wholeWish(gist));
    const { width, height } = gist.file!;
    const size = width && height ? { aspectRatio: `${width} / ${height}`, "--wide": `${width}px`, "--ratio": width / height } : {};
    const url = whole?.at === "there" ? whole.url : undefined;
    return (
        <>
            <div className={styles.whole} style={{ ...size, ...(!film && zoom.style) }} {...(!film && zoom.handlers(onSwipe))}>
                {film && url ? <video src={url} controls autoPlay playsInline />
                : url ? <img src={url} alt={gist.name} draggable={false} />
                : preview?.at === "there" ? <img src={preview.url} alt={gist.name} draggable={false} />
                : gist.file!.blurhash ? <Blur hash={gist.file!.blurhash} /> : null}
            </div>
            {whole?.at === "coming" && <span className={styles.coming}><Ring part={whole.part} label={words.downloading(Math.round(whole.part * 100))} /></span>}
            {whole?.at === "failed" && <p className={styles.failed} role="alert">{words.failed[whole.why]}</p>}
        </>
    );
}
