import { Popover } from "@base-ui/react/popover";
import { lazy, Suspense } from "react";
import type { ReactNode } from "react";
import { Dialog } from "../../../components/Dialog";
import { useStrings } from "../../../strings";
import type { Point } from "../conversing";
import styles from "./EmojiPopup.module.css";

const EmojiPicker = lazy(() => import("./EmojiPicker").then((file) => ({ default: file.EmojiPicker })));

interface EmojiPopupProps {
    at: Point;
    onChoose: (emoji: string) => void;
    onClose: () => void;
}

/** The emoji, near what asked for them; on a phone, as a sheet from below. */
export function EmojiPopup({ at, onChoose, onClose }: EmojiPopupProps): ReactNode {
    const words = useStrings().talk.emoji;
    const picker = <Suspense fallback={<div className={styles.waiting} />}><EmojiPicker onChoose={onChoose} /></Suspense>;
    if (matchMedia("(width < 48rem)").matches) return <Dialog title={words.title} onClose={onClose}>{picker}</Dialog>;
    return (
        <Popover.Root open onOpenChange={(open) => !open && onClose()}>
            <Popover.Portal>
                <Popover.Positioner className={styles.place} side="top" align="end" sideOffset={8} collisionPadding={8} anchor={{ getBoundingClientRect: () => new DOMRect(at.x, at.y, 0, 0) }}>
                    <Popover.Popup className={styles.popup} aria-label={words.title}>{picker}</Popover.Popup>
                </Popover.Positioner>
            </Popover.Portal>
        </Popover.Root>
    );
}
