import { ImageOff, Play, RotateCw } from "lucide-react";
import { useState } from "react";
import type { ReactNode } from "react";
import { useFile, useRetry } from "../../../session/media/use";
import type { FileGist } from "../../../store/attachment";
import { useStrings } from "../../../strings";
import { length } from "../../../strings/sizes";
import { Blur } from "./Blur";
import styles from "./Media.module.css";
import { Stop } from "./Stop";
import type { OnTheWay } from "./useOnTheWay";
import { placeOf, previewWish } from "./wish";

const largest = { width: 336, height: 360 }; // CSS pixels
const stickerSize = { width: 160, height: 160 };

interface PictureProps {
    gist: FileGist;
    way?: OnTheWay;
    onOpen?: () => void;
}

/** A picture, a sticker, or what stands for a film. */
export function Picture({ gist, way, onOpen }: PictureProps): ReactNode {
    const words = useStrings().media;
    const sticker = gist.kind === "sticker";
    const place = placeOf(gist.file, sticker ? stickerSize : largest);
    const wish = previewWish(gist);
    const shown = useFile(wish);
    const retry = useRetry(wish);
    const [broken, setBroken] = useState(false);
    const [wasThere] = useState(shown?.at === "there"); // then nothing needs to appear
    const failed = shown?.at === "failed" || broken;
    const inner = (
        <>
            {gist.file?.blurhash && !sticker && <Blur hash={gist.file.blurhash} />}
            {shown?.at === "there" && !broken && <img src={shown.url} alt={sticker ? gist.name : ""} draggable={false} data-at-once={wasThere ? "" : undefined} onError={() => setBroken(true)} />}
            {failed && <span className={styles.broken}><ImageOff size={22} />{shown?.at === "failed" ? words.failed[shown.why] : words.failed.spoilt}</span>}
            {gist.kind === "video" && !way && <span className={styles.playMark}><Play size={24} fill="currentColor" /></span>}
            {gist.kind === "video" && gist.file && gist.file.duration > 0 && <span className={styles.badge}>{length(gist.file.duration)}</span>}
        </>
    );
    const size = { width: place.width, aspectRatio: `${place.width} / ${place.height}` };
    if (!onOpen) return <span className={sticker ? styles.sticker : styles.picture} style={size}>{inner}</span>;
    return (
        <span className={styles.pictureFrame}>
            <button type="button" className={styles.picture} style={size} aria-label={gist.name ? words.open(gist.name) : words.openPicture} onClick={onOpen}>{inner}</button>
            {way && <span className={styles.way}><Stop way={way} name={gist.name} over /></span>}
            {shown?.at === "failed" && shown.why === "away" && <button type="button" className={styles.again} onClick={retry}><RotateCw size={14} />{words.again}</button>}
        </span>
    );
}
