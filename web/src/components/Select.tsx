import { useId } from "react";
import type { ReactNode } from "react";
import styles from "./Select.module.css";

interface SelectProps {
    label: string;
    value: string;
    options: [value: string, name: string][];
    onChoose: (value: string) => void;
    disabled?: boolean;
    inline?: boolean; // the label beside it, not above
}

/** One of several; the browser's own control, which phones show in their own way. */
export function Select({ label, value, options, onChoose, disabled, inline }: SelectProps): ReactNode {
    const id = useId();
    return (
        <div className={styles.select} data-inline={inline ? "" : undefined}>
            <label htmlFor={id}>{label}</label>
            <select id={id} value={value} disabled={disabled} onChange={(event) => onChoose(event.target.value)}>
                {options.map(([option, name]) => <option key={option} value={option}>{name}</option>)}
            </select>
        </div>
    );
}
