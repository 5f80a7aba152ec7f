import type { ReactNode } from "react";
import styles from "./Media.module.css";

/** How much of something is there, around what stops it. */
export function Ring({ part, label }: { part: number; label: string }): ReactNode {
    return (
        <svg className={styles.ring} viewBox="0 0 36 36" role="progressbar" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(part * 100)} data-turning={part === 0 ? "" : undefined}>
            <circle cx="18" cy="18" r="16" pathLength="100" strokeDasharray={`${Math.max(part * 100, 8)} 100`} />
        </svg>
    );
}
