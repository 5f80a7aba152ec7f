import { useId } from "react";
import type { ReactNode } from "react";
import styles from "./Choice.module.css";

interface SwitchProps {
    label: string;
    hint?: string;
    on: boolean;
    onChange: (on: boolean) => void;
    disabled?: boolean;
}

/** Something that is on or off, and changes at once. */
export function Switch({ label, hint, on, onChange, disabled }: SwitchProps): ReactNode {
    const id = useId();
    return (
        <div className={styles.row}>
            <label htmlFor={id} className={styles.words}>
                <span>{label}</span>
            </label>
            {hint && <p id={`${id}-hint`} className={styles.hint}>{hint}</p>}
            <input
                id={id} type="checkbox" role="switch" className={styles.switch} checked={on} disabled={disabled} aria-describedby={hint ? `${id}-hint` : undefined}
                onChange={(e) => onChange(e.target.checked)}
            />
        </div>
    );
}
