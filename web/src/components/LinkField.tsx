import { Check, Copy } from "lucide-react";
import { useId, useState } from "react";
import type { ReactNode } from "react";
import { useStrings } from "../strings";
import { Button } from "./Button";
import styles from "./LinkField.module.css";

/** A link to give to others: to look at, and to copy. */
export function LinkField({ label, link }: { label: string; link: string }): ReactNode {
    const words = useStrings().groups;
    const id = useId();
    const [copied, setCopied] = useState(false);
    const copy = async (): Promise<void> => {
        const clipboard = navigator.clipboard as Clipboard | undefined; // pages that came unencrypted have none
        if (clipboard) await clipboard.writeText(link);
        else (document.getElementById(id) as HTMLInputElement).select();
        setCopied(clipboard !== undefined);
    };
    return (
        <div className={styles.link}>
            <label htmlFor={id}>{label}</label>
            <div>
                <input id={id} readOnly value={link} dir="ltr" onFocus={(event) => event.target.select()} />
                <Button onClick={() => void copy()}>{copied ? <Check size={18} /> : <Copy size={18} />}{copied ? words.copied : words.copy}</Button>
            </div>
        </div>
    );
}
