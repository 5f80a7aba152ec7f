import { useState } from "react";
import type { ReactNode } from "react";
import { Button } from "../../components/Button";
import { Dialog, DialogEnd } from "../../components/Dialog";
import { Note } from "../../components/Page";
import { Switch } from "../../components/Switch";
import type { Child } from "../../session/finding";
import { useSession } from "../../session/use";
import type { RoomSummary } from "../../store/rooms";
import { useValue } from "../../store/value";
import { useStrings } from "../../strings";
import { useDeed } from "../useDeed";

/** Adds groups, channels and spaces that the person is in to a space. */
export function AddDialog({ space, present, onClose }: { space: RoomSummary; present: Child[]; onClose: () => void }): ReactNode {
    const { rooms, making } = useSession();
    const strings = useStrings().groups;
    const words = strings.space;
    const all = useValue(rooms.all);
    const spaces = useValue(rooms.spaces);
    const [chosen, setChosen] = useState<string[]>([]);
    const { busy, problem, act } = useDeed();
    const offered = [...all.filter((room) => room.kind !== "person" && !room.invited && !room.asked), ...spaces]
        .filter((room) => room.id !== space.id && !present.some((child) => child.id === room.id));
    const add = async (): Promise<void> => {
        for (const id of chosen) await making.addTo(space.id, id);
    };
    return (
        <Dialog title={words.addTitle(space.name)} onClose={onClose}>
            {problem && <Note look="bad">{problem}</Note>}
            {offered.length === 0 ? <p>{words.addNone}</p> : (
                <div>
                    {offered.map((room) => (
                        <Switch key={room.id} label={room.name} on={chosen.includes(room.id)} onChange={(on) => setChosen(on ? [...chosen, room.id] : chosen.filter((id) => id !== room.id))} />
                    ))}
                </div>
            )}
            <DialogEnd>
                <Button onClick={onClose}>{strings.cancel}</Button>
                <Button look="main" busy={busy} disabled={chosen.length === 0} onClick={() => act(add, onClose)}>{words.addChosen(chosen.length)}</Button>
            </DialogEnd>
        </Dialog>
    );
}
