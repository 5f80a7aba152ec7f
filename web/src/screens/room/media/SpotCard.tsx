import { ExternalLink, MapPin } from "lucide-react";
import type { ReactNode } from "react";
import type { FileGist } from "../../../store/attachment";
import { useStrings } from "../../../strings";
import styles from "./Media.module.css";
import { coordinates, mapOf } from "./spot";

/** A place, in numbers; no map is fetched. Whoever wants one opens it. */
export function SpotCard({ gist }: { gist: FileGist }): ReactNode {
    const strings = useStrings();
    const { spot } = gist;
    return (
        <span className={styles.card}>
            <span className={styles.cardIcon}><MapPin size={20} /></span>
            <span className={styles.cardText}>
                <b>{strings.room.file.location}</b>
                <span dir="ltr">{spot ? coordinates(spot) : gist.caption}</span>
                {spot && <a href={mapOf(spot)} target="_blank" rel="noreferrer noopener">{strings.media.openMap}<ExternalLink size={13} /></a>}
            </span>
        </span>
    );
}
