import { useId } from "react";
import type { ReactNode } from "react";
import styles from "./Choice.module.css";

interface ChoiceProps<T extends string> {
    label: string;
    hint?: string;
    value: T;
    options: Record<T, string>;
    hints?: Partial<Record<T, string>>;
    onChoose: (value: T) => void;
    disabled?: boolean;
    hideLabel?: boolean; // where a heading says it already
}

/** One of several, all in sight; gone through with the arrow keys. */
export function Choice<T extends string>({ label, hint, value, options, hints, onChoose, disabled, hideLabel }: ChoiceProps<T>): ReactNode {
    const name = useId();
    return (
        <fieldset className={styles.choice} disabled={disabled}>
            <legend className={hideLabel ? "unseen" : undefined}>{label}</legend>
            {hint && <p className={styles.hint}>{hint}</p>}
            {(Object.entries(options) as [T, string][]).map(([option, text]) => (
                <div key={option} className={styles.row}>
                    <label htmlFor={`${name}-${option}`} className={styles.words}><span>{text}</span></label>
                    {hints?.[option] && <p id={`${name}-${option}-hint`} className={styles.hint}>{hints[option]}</p>}
                    <input
                        id={`${name}-${option}`} type="radio" name={name} className={styles.radio} checked={option === value}
                        aria-describedby={hints?.[option] ? `${name}-${option}-hint` : undefined} onChange={() => onChoose(option)}
                    />
                </div>
            ))}
        </fieldset>
    );
}
