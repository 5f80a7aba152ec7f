import { X } from "lucide-react";
import { useEffect } from "react";
import type { ReactNode } from "react";
import { useStrings } from "../strings";
import { IconButton } from "./Button";
import styles from "./Side.module.css";

interface SideProps {
    title: string;
    onClose: () => void;
    children: ReactNode;
}

/** What stands beside a conversation; where there is no room for both, in its place. */
export function Side({ title, onClose, children }: SideProps): ReactNode {
    const words = useStrings().talk;
    useEffect(() => {
        const pressed = (event: KeyboardEvent): void => {
            if (event.key === "Escape" && !event.defaultPrevented && !(event.target as Element).closest("[role='dialog'], [role='menu']")) onClose();
        };
        addEventListener("keydown", pressed);
        return () => removeEventListener("keydown", pressed);
    }, [onClose]);
    return (
        <aside className={styles.side} aria-label={title}>
            <header className={styles.head}>
                <h2>{title}</h2>
                <IconButton label={words.close} onClick={onClose}><X size={20} /></IconButton>
            </header>
            {children}
        </aside>
    );
}
