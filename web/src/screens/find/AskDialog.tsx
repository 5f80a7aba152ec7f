import { useState } from "react";
import type { ReactNode } from "react";
import { Button } from "../../components/Button";
import { Dialog, DialogEnd } from "../../components/Dialog";
import { Note } from "../../components/Page";
import { TextArea } from "../../components/TextArea";
import type { Found } from "../../session/finding";
import { useSession } from "../../session/use";
import { go, roomPath } from "../../store/place";
import { useStrings } from "../../strings";
import { useDeed } from "../useDeed";

/** Asks to be let in, with a few words. */
export function AskDialog({ room, onClose }: { room: Found; onClose: () => void }): ReactNode {
    const { finding } = useSession();
    const words = useStrings().groups;
    const [reason, setReason] = useState("");
    const { busy, problem, act } = useDeed();
    const ask = async (): Promise<void> => go(roomPath(await finding.knock(room.via.length > 0 ? room.id : room.alias || room.id, room.via, reason.trim())));
    return (
        <Dialog title={words.found.askTitle(room.name)} onClose={onClose}>
            {problem && <Note look="bad">{problem}</Note>}
            <TextArea label={words.found.askReason} hint={words.make.optional} value={reason} onChange={(event) => setReason(event.target.value)} maxLength={500} autoFocus />
            <DialogEnd>
                <Button onClick={onClose}>{words.cancel}</Button>
                <Button look="main" busy={busy} onClick={() => act(ask, onClose)}>{words.found.ask}</Button>
            </DialogEnd>
        </Dialog>
    );
}
