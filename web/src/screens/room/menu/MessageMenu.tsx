import { Menu as Base } from "@base-ui/react/menu";
import { Plus } from "lucide-react";
import { useState } from "react";
import type { ReactNode } from "react";
import { Button, IconButton } from "../../../components/Button";
import { Dialog, DialogEnd, DialogText } from "../../../components/Dialog";
import { MenuItem } from "../../../components/Menu";
import menuStyles from "../../../components/Menu.module.css";
import { Note } from "../../../components/Page";
import { useSession } from "../../../session/use";
import type { Message } from "../../../store/items";
import { useValue } from "../../../store/value";
import { useStrings } from "../../../strings";
import { useConversing } from "../conversing";
import type { Point } from "../conversing";
import { actionsOf } from "./actions";
import type { Action } from "./actions";
import { ForwardDialog } from "./ForwardDialog";
import styles from "./MessageMenu.module.css";

interface MessageMenuProps {
    message: Message;
    at: Point | undefined; // undefined: a sheet from below, for fingers
    onClose: () => void;
}

type Step = "menu" | "remove" | "forward" | "failed" | "none";

/** What can be done with one message, and the questions that follow from it. */
export function MessageMenu({ message, at, onClose }: MessageMenuProps): ReactNode {
    const conversing = useConversing();
    const { timeline } = conversing;
    const strings = useStrings();
    const words = strings.talk;
    const [step, setStep] = useState<Step>("menu");
    const actions = actionsOf(message, timeline, conversing, words, { remove: () => setStep("remove"), forward: () => setStep("forward"), pin: (on) => void timeline.acts.pin(message.id, on).then(onClose, () => setStep("failed")) });
    /** Runs it; what asks nothing more ends the menu. */
    const run = (action: Action): void => {
        setStep("none");
        action.run();
        if (action.key !== "pin" && action.key !== "remove" && action.key !== "forward") onClose();
    };
    const there = message.way === "there";
    const react = (key: string): void => {
        void timeline.acts.react(message.id, key, message.reactions.find((reaction) => reaction.key === key)?.mine);
        onClose();
    };
    const more = (): void => {
        onClose();
        conversing.openEmoji(message, at ?? { x: innerWidth / 2, y: innerHeight / 2 });
    };
    const remove = (): void => {
        timeline.acts.remove(message.id).then(onClose, () => setStep("failed"));
    };
    switch (step) {
        case "menu":
            if (!at) {
                return (
                    <Dialog title={words.actions} onClose={onClose}>
                        {there && <Quick onReact={react} onMore={more} own={message} />}
                        <div className={styles.sheet}>
                            {actions.map((action) => (
                                <button key={action.key} type="button" className={`${menuStyles.item} ${action.bad ? menuStyles.bad : ""} ${styles.row}`} onClick={() => run(action)}>
                                    <action.Icon size={20} />{action.label}
                                </button>
                            ))}
                        </div>
                    </Dialog>
                );
            }
            return (
                <Base.Root open modal={false} onOpenChange={(open, { reason }) => !open && reason !== "item-press" && onClose()}>
                    <Base.Portal>
                        <Base.Positioner className={menuStyles.place} align="start" sideOffset={4} anchor={{ getBoundingClientRect: () => new DOMRect(at.x, at.y, 0, 0) }}>
                            <Base.Popup className={menuStyles.menu} aria-label={words.actions}>
                                {there && <MenuQuick onReact={react} onMore={more} own={message} />}
                                {actions.map((action) => (
                                    <MenuItem key={action.key} bad={action.bad ?? false} onClick={() => run(action)}><action.Icon size={18} />{action.label}</MenuItem>
                                ))}
                            </Base.Popup>
                        </Base.Positioner>
                    </Base.Portal>
                </Base.Root>
            );
        case "remove":
            return (
                <Dialog title={words.removeTitle} onClose={onClose}>
                    <DialogText>{words.removeLead}</DialogText>
                    <DialogEnd>
                        <Button onClick={onClose}>{words.cancel}</Button>
                        <Button look="bad" onClick={remove}>{words.remove}</Button>
                    </DialogEnd>
                </Dialog>
            );
        case "forward":
            return <ForwardDialog message={message} onClose={onClose} />;
        case "failed":
            return <Dialog title={words.actions} onClose={onClose}><Note look="bad">{words.failed}</Note></Dialog>;
        case "none":
            return null;
    }
}

interface QuickProps {
    onReact: (key: string) => void;
    onMore: () => void;
    own: Message;
}

const quick = 6; // reactions that are one touch away

/** The reactions that this person gives most. */
function useQuick(message: Message): { key: string; mine: boolean }[] {
    const recent = useValue(useSession().emoji.recent);
    return recent.slice(0, quick).map((key) => ({ key, mine: message.reactions.some((reaction) => reaction.key === key && reaction.mine) }));
}

function Quick({ onReact, onMore, own }: QuickProps): ReactNode {
    const words = useStrings().talk.reactions;
    return (
        <div className={styles.quick} role="group" aria-label={words.title}>
            {useQuick(own).map(({ key, mine }) => <button key={key} type="button" aria-pressed={mine} aria-label={key} onClick={() => onReact(key)}>{key}</button>)}
            <IconButton label={words.add} onClick={onMore}><Plus size={20} /></IconButton>
        </div>
    );
}

function MenuQuick({ onReact, onMore, own }: QuickProps): ReactNode {
    const words = useStrings().talk.reactions;
    return (
        <div className={styles.quick}>
            {useQuick(own).map(({ key, mine }) => <Base.Item key={key} className={styles.quickItem} data-mine={mine ? "" : undefined} aria-label={key} onClick={() => onReact(key)}>{key}</Base.Item>)}
            <Base.Item className={styles.quickItem} aria-label={words.add} onClick={onMore}><Plus size={18} /></Base.Item>
        </div>
    );
}
