import type { ReactNode } from "react";
import { Choice } from "../../components/Choice";
import { Dialog } from "../../components/Dialog";
import { useSession } from "../../session/use";
import { useValue } from "../../store/value";
import { useStrings } from "../../strings";
import { Failed } from "./parts";
import { useAct } from "./useAct";

/** Of what the person is told in one conversation. */
export default function RoomNotifications({ room, onClose }: { room: string; onClose: () => void }): ReactNode {
    const { rules } = useSession();
    const words = useStrings().own.notifications;
    const level = useValue(rules.state).rooms.get(room) ?? "usual";
    const { failed, run } = useAct();
    return (
        <Dialog title={words.room} onClose={onClose}>
            <Failed when={failed} />
            <Choice
                label={words.room} hideLabel value={level} hints={words.roomHints} onChoose={(chosen) => void run(() => rules.setRoom(room, chosen))}
                options={{ usual: words.roomLevels.usual, all: words.roomLevels.all, mentions: words.roomLevels.mentions, none: words.roomLevels.none }}
            />
        </Dialog>
    );
}
