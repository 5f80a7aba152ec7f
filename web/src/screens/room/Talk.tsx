import { lazy, Suspense, useLayoutEffect, useMemo, useRef, useState } from "react";
import type { ReactNode } from "react";
import type { Message } from "../../store/items";
import { go, roomPath } from "../../store/place";
import type { RoomSummary } from "../../store/rooms";
import type { Timeline } from "../../store/timeline";
import { Composer } from "./composer/Composer";
import { ConversingContext } from "./conversing";
import type { Conversing, Point } from "./conversing";
import { Conversation } from "./Conversation";
import { Ended } from "./Ended";
import { SendPlace } from "./media/SendPlace";
import { useTarget } from "./media/useTarget";
import { ViewerPlace } from "./media/ViewerPlace";
import { DateDialog } from "./menu/DateDialog";
import { WhoDialog } from "./menu/WhoDialog";

const MessageMenu = lazy(() => import("./menu/MessageMenu").then((file) => ({ default: file.MessageMenu })));
const EmojiPopup = lazy(() => import("./emoji/EmojiPopup").then((file) => ({ default: file.EmojiPopup })));

type Above =
    | { is: "menu"; message: Message; at: Point | undefined }
    | { is: "emoji"; message: Message; at: Point }
    | { is: "who"; message: Message }
    | { is: "date"; at: number };

interface TalkProps {
    timeline: Timeline;
    room: RoomSummary;
    label: string;
    hint: string; // what the field for writing is called
    drops: boolean; // takes files that are dropped on the window
}

/** A conversation with all that belongs to it: messages, the field for writing, and what opens above them. */
export function Talk({ timeline, room, label, hint, drops }: TalkProps): ReactNode {
    const [above, setAbove] = useState<Above | undefined>(undefined);
    const target = useTarget(timeline);
    const newest = useRef(room);
    useLayoutEffect(() => {
        newest.current = room;
    }, [room]);
    const conversing = useMemo((): Conversing => ({
        timeline,
        room: () => newest.current,
        openMenu: (message, at) => setAbove({ is: "menu", message, at }),
        openEmoji: (message, at) => setAbove({ is: "emoji", message, at }),
        openWho: (message) => setAbove({ is: "who", message }),
        openThread: (root) => go(roomPath(timeline.roomId, "thread", root)),
        openDate: (at) => setAbove({ is: "date", at }),
    }), [timeline]);
    /** Closes what is open, unless something else has been opened meanwhile. */
    const close = (): void => setAbove((now) => (now === above ? undefined : now));
    return (
        <ConversingContext value={conversing}>
            <Conversation timeline={timeline} direct={room.direct} label={label} />
            {room.successor || !room.mayWrite ? <Ended room={room} /> : (
                <>
                    <Composer timeline={timeline} room={room} hint={hint} target={target} />
                    <SendPlace target={target} drops={drops} />
                </>
            )}
            <Suspense>
                {above?.is === "menu" && <MessageMenu key={above.message.key} message={above.message} at={above.at} onClose={close} />}
                {above?.is === "emoji" && (
                    <EmojiPopup
                        at={above.at} onClose={close} onChoose={(key) => {
                            close();
                            void timeline.acts.react(above.message.id, key, above.message.reactions.find((reaction) => reaction.key === key)?.mine);
                        }}
                    />
                )}
            </Suspense>
            <ViewerPlace timeline={timeline} />
            {above?.is === "who" && <WhoDialog message={above.message} onClose={close} />}
            {above?.is === "date" && <DateDialog at={above.at} onClose={close} />}
        </ConversingContext>
    );
}
