import { Download, FileText, X } from "lucide-react";
import { useRef, useState } from "react";
import type { ReactNode } from "react";
import { saveFile } from "../../../session/media/save";
import { useSession } from "../../../session/use";
import type { FileGist } from "../../../store/attachment";
import { useLanguage, useStrings } from "../../../strings";
import { fileSize } from "../../../strings/sizes";
import styles from "./Media.module.css";
import { Ring } from "./Ring";
import { Stop } from "./Stop";
import type { OnTheWay } from "./useOnTheWay";

/** A file with its name and size; it is saved, never opened here. */
export function FileCard({ gist, way }: { gist: FileGist; way: OnTheWay | undefined }): ReactNode {
    const { media } = useSession();
    const strings = useStrings();
    const words = strings.media;
    const language = useLanguage();
    const [part, setPart] = useState<number>();
    const [failed, setFailed] = useState(false);
    const abort = useRef<AbortController>(undefined);
    const name = gist.name || strings.room.file[gist.kind];

    const press = async (): Promise<void> => {
        if (part !== undefined) {
            abort.current?.abort();
            return;
        }
        const controller = new AbortController();
        abort.current = controller;
        setPart(0);
        setFailed(false);
        try {
            await saveFile(media, gist.file!.source, name, controller.signal, setPart);
        } catch {
            setFailed(!controller.signal.aborted);
        }
        setPart(undefined);
    };
    const label = part === undefined ? words.download(name) : words.stop;
    return (
        <span className={styles.card}>
            {way ? <Stop way={way} name={name} /> : gist.file ? (
                <button type="button" className={styles.cardIcon} aria-label={label} title={label} onClick={() => void press()}>
                    {part === undefined ? <Download size={20} /> : <X size={20} />}
                    {part !== undefined && <Ring part={part} label={words.downloading(Math.round(part * 100))} />}
                </button>
            ) : <span className={styles.cardIcon}><FileText size={20} /></span>}
            <span className={styles.cardText}>
                <b dir="auto">{name}</b>
                <span role={failed ? "alert" : undefined}>{!gist.file ? words.failed.gone : failed ? words.failed.away : gist.file.size ? fileSize(gist.file.size, language, words) : ""}</span>
            </span>
        </span>
    );
}
