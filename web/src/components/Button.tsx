import type { ButtonHTMLAttributes, ReactNode, Ref } from "react";
import styles from "./Button.module.css";

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
    look?: "main" | "plain" | "bad";
    wide?: boolean;
    busy?: boolean;
    ref?: Ref<HTMLButtonElement>;
}

export function Button({ look = "plain", wide, busy, className = "", disabled, children, ...rest }: ButtonProps): ReactNode {
    const names = [styles.button, styles[look], wide && styles.wide, className].filter(Boolean).join(" ");
    return (
        <button type="button" className={names} disabled={disabled || busy} aria-busy={busy || undefined} {...rest}>
            {busy && <span className={styles.spinner} />}
            {children}
        </button>
    );
}

interface IconButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
    label: string;
    ref?: Ref<HTMLButtonElement>;
}

/** A button that shows an icon only; its label is for who cannot see it, and for who asks. */
export function IconButton({ label, className = "", children, ...rest }: IconButtonProps): ReactNode {
    return (
        <button type="button" className={`${styles.icon} ${className}`} aria-label={label} title={label} {...rest}>
            {children}
        </button>
    );
}
