import { Dialog as Base } from "@base-ui/react/dialog";
import { X } from "lucide-react";
import type { ReactNode } from "react";
import { useStrings } from "../strings";
import { IconButton } from "./Button";
import styles from "./Dialog.module.css";

interface DialogProps {
    title: string;
    onClose: () => void;
    children: ReactNode;
}

/** A question or a form above everything else. It takes the focus, and gives it back. */
export function Dialog({ title, onClose, children }: DialogProps): ReactNode {
    const words = useStrings().create;
    return (
        <Base.Root open onOpenChange={(open) => !open && onClose()}>
            <Base.Portal>
                <Base.Backdrop className={styles.shade} />
                <Base.Popup className={styles.dialog}>
                    <div className={styles.head}>
                        <Base.Title>{title}</Base.Title>
                        <IconButton label={words.cancel} onClick={onClose}><X size={20} /></IconButton>
                    </div>
                    {children}
                </Base.Popup>
            </Base.Portal>
        </Base.Root>
    );
}

export const DialogText = ({ children }: { children: ReactNode }): ReactNode => <Base.Description className={styles.text}>{children}</Base.Description>;
export const DialogEnd = ({ children }: { children: ReactNode }): ReactNode => <div className={styles.end}>{children}</div>;
