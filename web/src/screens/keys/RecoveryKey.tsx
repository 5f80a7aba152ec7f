import { Check, Copy, Download } from "lucide-react";
import { useState } from "react";
import type { ReactNode } from "react";
import { Button } from "../../components/Button";
import { Page } from "../../components/Page";
import { useSession } from "../../session/use";
import { useStrings } from "../../strings";
import styles from "./Keys.module.css";

/** The recovery key, once. */
export function RecoveryKey({ recoveryKey }: { recoveryKey: string }): ReactNode {
    const session = useSession();
    const words = useStrings().keys;
    const [copied, setCopied] = useState(false);
    const copy = async (): Promise<void> => {
        await navigator.clipboard.writeText(recoveryKey);
        setCopied(true);
    };
    const download = (): void => {
        const url = URL.createObjectURL(new Blob([words.fileText(session.account.user, recoveryKey)], { type: "text/plain" }));
        const link = Object.assign(document.createElement("a"), { href: url, download: words.fileName });
        link.click();
        setTimeout(() => URL.revokeObjectURL(url), 60_000);
    };
    return (
        <Page title={words.title} lead={words.lead} foot={words.once}>
            <div className={styles.key} data-testid="recovery-key" translate="no">
                {recoveryKey.split(" ").map((group, i) => <span key={i}>{group} </span>)}
            </div>
            <div className={styles.pair}>
                <Button onClick={() => void copy()}>{copied ? <Check size={18} /> : <Copy size={18} />}{copied ? words.copied : words.copy}</Button>
                <Button onClick={download}><Download size={18} />{words.download}</Button>
            </div>
            <Button look="main" wide onClick={() => session.keys.saved()}>{words.saved}</Button>
        </Page>
    );
}
