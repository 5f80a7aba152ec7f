import { ArrowLeft, Ban } from "lucide-react";
import { useState } from "react";
import type { ReactNode } from "react";
import { Button, IconButton } from "../../components/Button";
import { Dialog, DialogEnd, DialogText } from "../../components/Dialog";
import { Note } from "../../components/Page";
import { useSession } from "../../session/use";
import { go, homePath } from "../../store/place";
import type { RoomSummary } from "../../store/rooms";
import { useStrings } from "../../strings";
import { Face } from "../Face";
import { useDeed } from "../useDeed";
import styles from "./Room.module.css";

/** Somebody invites the person. */
export function Invitation({ room }: { room: RoomSummary }): ReactNode {
    const { people, privacy } = useSession();
    const strings = useStrings();
    const words = strings.room;
    const { busy, problem, act } = useDeed();
    const [blocking, setBlocking] = useState(false);
    const decline = async (): Promise<void> => {
        await people.leave(room.id);
        go(homePath, true);
    };
    const block = async (): Promise<void> => {
        await privacy.ignore(room.from);
        await decline();
    };
    const title = room.kind === "space" ? strings.groups.invitation.space(room.inviter, room.name) : room.direct ? words.invitationDirect(room.inviter) : words.invitation(room.inviter, room.name);
    return (
        <>
            <header className={`${styles.head} ${styles.bare}`}>
                <IconButton label={words.back} className={styles.back} onClick={() => go(homePath)}><ArrowLeft size={22} /></IconButton>
            </header>
            <div className={styles.invitation}>
                <Face id={room.other || room.id} name={room.name} picture={room.picture} size="large" />
                <h1 dir="auto">{title}</h1>
                <p dir="ltr">{room.from}</p>
                {problem && <Note look="bad">{problem}</Note>}
                <div className={styles.answers}>
                    <Button disabled={busy} onClick={() => act(decline)}>{words.decline}</Button>
                    <Button look="main" busy={busy} onClick={() => act(() => people.join(room.id))}>{words.accept}</Button>
                </div>
                {room.from && <button type="button" className={styles.block} onClick={() => setBlocking(true)}><Ban size={16} />{strings.groups.invitation.declineAndBlock(room.inviter)}</button>}
            </div>
            {blocking && (
                <Dialog title={strings.groups.invitation.declineAndBlock(room.inviter)} onClose={() => setBlocking(false)}>
                    <DialogText>{strings.groups.invitation.blockLead}</DialogText>
                    <DialogEnd>
                        <Button onClick={() => setBlocking(false)}>{strings.groups.cancel}</Button>
                        <Button look="bad" busy={busy} onClick={() => act(block)}>{strings.groups.member.ignore}</Button>
                    </DialogEnd>
                </Dialog>
            )}
        </>
    );
}
