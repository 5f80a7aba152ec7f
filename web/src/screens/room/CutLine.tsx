import { useSyncExternalStore } from "react";
import type { ReactNode } from "react";
import { Unanswered } from "../Unanswered";
import styles from "./Room.module.css";

const phone = matchMedia("(width < 48rem)");
const isPhone = (): boolean => phone.matches;
function onPhone(tell: () => void): () => void {
    phone.addEventListener("change", tell);
    return () => phone.removeEventListener("change", tell);
}

/** That the server does not answer, on a phone, where a conversation has the place of the list that says so elsewhere. */
export function CutLine(): ReactNode {
    return useSyncExternalStore(onPhone, isPhone) ? <Unanswered className={styles.silent} /> : null;
}
