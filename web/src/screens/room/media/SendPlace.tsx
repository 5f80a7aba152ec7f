import { lazy, Suspense, useEffect, useState } from "react";
import type { ReactNode } from "react";
import { useValue } from "../../../store/value";
import { useStrings } from "../../../strings";
import { chosen, offer } from "./chosen";
import type { Target } from "./chosen";
import styles from "./Sending.module.css";
import { pasted } from "./useTarget";

const SendDialog = lazy(() => import("./SendDialog").then((file) => ({ default: file.SendDialog })));

/** Asks about the files that were chosen. drops: takes what is dropped on the window, or pasted into it. */
export function SendPlace({ target, drops }: { target: Target; drops: boolean }): ReactNode {
    const words = useStrings().media;
    const now = useValue(chosen);
    const [over, setOver] = useState(false);

    useEffect(() => {
        if (!drops) return;
        const end = new AbortController();
        const { signal } = end;
        const withFiles = (event: DragEvent): boolean => !!event.dataTransfer?.types.includes("Files");
        addEventListener("dragover", (event) => {
            if (!withFiles(event)) return;
            event.preventDefault();
            setOver(true);
        }, { signal });
        addEventListener("dragleave", (event) => {
            if (!event.relatedTarget) setOver(false); // out of the window
        }, { signal });
        addEventListener("drop", (event) => {
            setOver(false);
            if (!withFiles(event)) return;
            event.preventDefault(); // or the browser would open it
            offer(target, [...(event.dataTransfer?.files ?? [])]);
        }, { signal });
        addEventListener("paste", (event) => {
            if (!event.defaultPrevented) pasted(event, target); // it was not taken where one writes
        }, { signal });
        return () => end.abort();
    }, [target, drops]);
    useEffect(() => () => {
        if (chosen.get()?.target.key === target.key) chosen.set(undefined);
    }, [target]);

    return (
        <>
            {over && <div className={styles.over}><span>{words.drop}</span></div>}
            {now?.target.key === target.key && <Suspense><SendDialog chosen={now} /></Suspense>}
        </>
    );
}
