import { Eye, EyeOff } from "lucide-react";
import { useEffect, useId, useState } from "react";
import type { InputHTMLAttributes, ReactNode, Ref } from "react";
import { useStrings } from "../strings";
import { IconButton } from "./Button";
import styles from "./Field.module.css";

interface FieldProps extends InputHTMLAttributes<HTMLInputElement> {
    label: string;
    hint?: string;
    problem?: string | undefined;
    before?: string;
    after?: string;
    ref?: Ref<HTMLInputElement>;
}

/** A line to type into, with its label, what helps to fill it, and what was wrong. */
export function Field({ label, hint, problem, before, after, type, ...rest }: FieldProps): ReactNode {
    const id = useId();
    const words = useStrings().outside;
    const [shown, setShown] = useState(false);
    const secret = type === "password";
    useEffect(() => {
        if (problem) document.getElementById(id)?.focus(); // it is what has to be done next
    }, [problem, id]);
    return (
        <div className={styles.field}>
            <label htmlFor={id}>{label}</label>
            <div className={styles.box} data-bad={problem ? "" : undefined}>
                {before && <span aria-hidden="true">{before}</span>}
                <input
                    id={id}
                    type={secret && shown ? "text" : type}
                    aria-invalid={problem ? true : undefined}
                    aria-describedby={`${id}-about`}
                    {...rest}
                />
                {after && <span aria-hidden="true" className={styles.after}>{after}</span>}
                {secret && (
                    <IconButton label={shown ? words.hide : words.show} className={styles.eye} onClick={() => setShown(!shown)}>
                        {shown ? <EyeOff size={18} /> : <Eye size={18} />}
                    </IconButton>
                )}
            </div>
            <p id={`${id}-about`} className={problem ? styles.problem : styles.hint} role={problem ? "alert" : undefined}>
                {problem ?? hint}
            </p>
        </div>
    );
}
