import { Archive, ArchiveRestore, Bell, BellOff, Info, LogOut, MailCheck, MailOpen, Pin, PinOff } from "lucide-react";
import type { ReactNode } from "react";
import { MenuItem, MenuLine } from "../../components/Menu";
import { useSession } from "../../session/use";
import { go, roomPath } from "../../store/place";
import type { RoomSummary } from "../../store/rooms";
import { isNew } from "../../store/section";
import { useStrings } from "../../strings";

/** What can be done with a conversation as a whole; in the list's menu. */
export function RoomMenuItems({ room }: { room: RoomSummary }): ReactNode {
    const { sorting } = useSession();
    const words = useStrings().groups;
    const unread = isNew(room) || room.quiet;
    const quietly = (act: Promise<void>): void => void act.catch((error: unknown) => console.warn("not done", error)); // the list shows what the server has
    if (room.invited || room.asked) return <MenuItem onClick={() => go(roomPath(room.id))}><Info size={18} />{words.look}</MenuItem>;
    return (
        <>
            <MenuItem onClick={() => quietly(sorting.mark(room.id, !unread))}>{unread ? <MailOpen size={18} /> : <MailCheck size={18} />}{unread ? words.markRead : words.markUnread}</MenuItem>
            <MenuItem onClick={() => quietly(sorting.pin(room.id, !room.pinned))}>{room.pinned ? <PinOff size={18} /> : <Pin size={18} />}{room.pinned ? words.unpin : words.pin}</MenuItem>
            <MenuItem onClick={() => quietly(sorting.mute(room.id, !room.muted))}>{room.muted ? <Bell size={18} /> : <BellOff size={18} />}{room.muted ? words.unmute : words.mute}</MenuItem>
            <MenuItem onClick={() => quietly(sorting.archive(room.id, !room.archived))}>{room.archived ? <ArchiveRestore size={18} /> : <Archive size={18} />}{room.archived ? words.unarchive : words.archive}</MenuItem>
            <MenuLine />
            <MenuItem onClick={() => go(roomPath(room.id, "info"))}><Info size={18} />{room.kind === "person" ? words.aboutPerson : words.about}</MenuItem>
            <MenuItem bad onClick={() => go(roomPath(room.id, "leave"))}><LogOut size={18} />{words.leave}</MenuItem>
        </>
    );
}
