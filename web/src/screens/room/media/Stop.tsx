import { X } from "lucide-react";
import type { ReactNode } from "react";
import { useStrings } from "../../../strings";
import styles from "./Media.module.css";
import { Ring } from "./Ring";
import type { OnTheWay } from "./useOnTheWay";

/** Shows how far a file has come, and takes it back. over: it lies on a picture. */
export function Stop({ way, name, over }: { way: OnTheWay; name: string; over?: boolean }): ReactNode {
    const words = useStrings().media;
    return (
        <button type="button" className={over ? styles.stopUpload : styles.cardIcon} aria-label={words.cancelUpload(name)} title={words.cancelUpload(name)} onClick={way.cancel}>
            <X size={20} />
            <Ring part={way.part} label={words.sending(Math.round(way.part * 100))} />
        </button>
    );
}
