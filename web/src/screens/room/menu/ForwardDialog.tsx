import { Check } from "lucide-react";
import { useState } from "react";
import type { ReactNode } from "react";
import { Avatar } from "../../../components/Avatar";
import { Button } from "../../../components/Button";
import { Dialog, DialogEnd } from "../../../components/Dialog";
import { Field } from "../../../components/Field";
import { useSession } from "../../../session/use";
import type { Message } from "../../../store/items";
import { useValue } from "../../../store/value";
import { useStrings } from "../../../strings";
import { useConversing } from "../conversing";
import styles from "./MessageMenu.module.css";

/** Into which conversations a message is sent on. */
export function ForwardDialog({ message, onClose }: { message: Message; onClose: () => void }): ReactNode {
    const { timeline } = useConversing();
    const rooms = useValue(useSession().rooms.all);
    const words = useStrings().talk.forwarding;
    const [filter, setFilter] = useState("");
    const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
    const wanted = filter.trim().toLocaleLowerCase();
    const shown = rooms.filter((room) => !room.invited && room.name.toLocaleLowerCase().includes(wanted)).slice(0, 100);
    const toggle = (id: string): void => setChosen((before) => new Set(before.has(id) ? [...before].filter((other) => other !== id) : [...before, id]));
    const send = (): void => {
        void timeline.acts.forward(message.id, [...chosen]);
        onClose();
    };
    return (
        <Dialog title={words.title} onClose={onClose}>
            <Field label={words.search} type="search" value={filter} onChange={(event) => setFilter(event.target.value)} autoFocus />
            <div className={styles.list} role="group" aria-label={words.title}>
                {shown.map((room) => (
                    <button key={room.id} type="button" className={styles.pick} aria-pressed={chosen.has(room.id)} onClick={() => toggle(room.id)}>
                        <Avatar id={room.other || room.id} name={room.name} size="small" />
                        <span dir="auto">{room.name}</span>
                        {chosen.has(room.id) && <Check size={18} />}
                    </button>
                ))}
                {shown.length === 0 && <p className={styles.none}>{words.none}</p>}
            </div>
            <DialogEnd><Button look="main" disabled={chosen.size === 0} onClick={send}>{words.send(chosen.size)}</Button></DialogEnd>
        </Dialog>
    );
}
