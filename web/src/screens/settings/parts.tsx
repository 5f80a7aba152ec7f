import type { ReactNode } from "react";
import { Note } from "../../components/Page";
import { useStrings } from "../../strings";
import styles from "./Settings.module.css";

/** Settings that belong together, under a heading. */
export const Part = ({ title, lead, children }: { title?: string; lead?: string; children: ReactNode }): ReactNode => (
    <section className={styles.part}>
        {title && <h2>{title}</h2>}
        {lead && <p className={styles.lead}>{lead}</p>}
        {children}
    </section>
);

export const Buttons = ({ children }: { children: ReactNode }): ReactNode => <div className={styles.buttons}>{children}</div>;

/** Says that something has not worked. */
export const Failed = ({ when }: { when: boolean }): ReactNode => {
    const words = useStrings().create;
    return when ? <Note look="bad">{words.failed}</Note> : null;
};
