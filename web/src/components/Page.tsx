import type { ReactNode } from "react";
import styles from "./Page.module.css";

interface PageProps {
    title: string;
    lead?: string;
    foot?: string;
    children?: ReactNode;
}

/** A page with one thing to do, as before signing in. */
export function Page({ title, lead, foot, children }: PageProps): ReactNode {
    return (
        <div className={styles.page}>
            <main className={styles.card}>
                <Mark />
                <div className={styles.head}>
                    <h1>{title}</h1>
                    {lead && <p>{lead}</p>}
                </div>
                {children}
            </main>
            {foot && <footer>{foot}</footer>}
        </div>
    );
}

/** The house of Freehold. */
export const Mark = (): ReactNode => (
    <svg className={styles.mark} viewBox="0 0 32 32" fill="none" stroke="currentColor" strokeWidth="2.2" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
        <path d="M4 14.5 16 4.5l12 10" /><path d="M7 12.5V27h18V12.5" /><circle cx="16" cy="17" r="2.4" /><path d="M16 19.4V23" />
    </svg>
);

/** Something that should be known before going on. */
export const Note = ({ look = "plain", children }: { look?: "plain" | "warn" | "bad"; children: ReactNode }): ReactNode => (
    <p className={`${styles.note} ${styles[look]}`} role={look === "bad" ? "alert" : undefined}>{children}</p>
);

/** While there is nothing to show yet. */
export const Waiting = ({ label }: { label: string }): ReactNode => (
    <div className={styles.waiting} role="status">
        <Mark />
        <span className={styles.wheel} />
        <span className="unseen">{label}</span>
    </div>
);
