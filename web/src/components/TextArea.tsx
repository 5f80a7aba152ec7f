import { useId } from "react";
import type { ReactNode, TextareaHTMLAttributes } from "react";
import styles from "./TextArea.module.css";

interface TextAreaProps extends TextareaHTMLAttributes<HTMLTextAreaElement> {
    label: string;
    hint?: string;
}

/** Several lines to type into. */
export function TextArea({ label, hint, ...rest }: TextAreaProps): ReactNode {
    const id = useId();
    return (
        <div className={styles.area}>
            <label htmlFor={id}>{label}</label>
            <textarea id={id} rows={3} dir="auto" aria-describedby={hint ? `${id}-about` : undefined} {...rest} />
            {hint && <p id={`${id}-about`}>{hint}</p>}
        </div>
    );
}
