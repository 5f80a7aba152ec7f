import { Copy, CornerUpLeft, Eye, Forward, Link, MessagesSquare, Pencil, Pin, PinOff, RotateCw, Trash2 } from "lucide-react";
import type { LucideIcon } from "lucide-react";
import { eventLink } from "../../../store/addresses";
import type { Message } from "../../../store/items";
import type { Timeline } from "../../../store/timeline";
import type { Strings } from "../../../strings/en";
import type { Conversing } from "../conversing";

export interface Action {
    key: string;
    label: string;
    Icon: LucideIcon;
    bad?: boolean;
    run: () => void;
}

interface Ways {
    remove: () => void;
    forward: () => void;
    pin: (on: boolean) => void;
}

/** What this person can do with this message, in the order in which it is wanted most. */
export function actionsOf(message: Message, timeline: Timeline, conversing: Conversing, words: Strings["talk"], ways: Ways): Action[] {
    const { acts, writing } = timeline;
    const { id, gist } = message;
    const rights = acts.rights(id);
    if (message.way !== "there") {
        const giveUp = { key: "giveUp", label: words.giveUp, Icon: Trash2, bad: true, run: () => void acts.remove(id) };
        return message.way === "failed" ? [{ key: "retry", label: words.retry, Icon: RotateCw, run: () => acts.outbox.retry(message.key) }, giveUp] : [giveUp];
    }
    const text = gist.is === "text" ? gist.text : gist.is === "file" ? gist.caption : gist.is === "poll" ? gist.question : "";
    const link = eventLink(timeline.roomId, id, acts.via());
    const all: (Action | false)[] = [
        rights.write && { key: "reply", label: words.reply, Icon: CornerUpLeft, run: () => writing.reply(id) },
        rights.write && !timeline.threadId && { key: "thread", label: words.thread, Icon: MessagesSquare, run: () => conversing.openThread(id) },
        rights.edit && { key: "edit", label: words.edit, Icon: Pencil, run: () => writing.edit(id) },
        text !== "" && { key: "copy", label: words.copy, Icon: Copy, run: () => void navigator.clipboard.writeText(text) },
        { key: "link", label: words.copyLink, Icon: Link, run: () => void navigator.clipboard.writeText(link) },
        rights.forward && { key: "forward", label: words.forward, Icon: Forward, run: ways.forward },
        rights.pin && !timeline.threadId && {
            key: "pin", label: rights.pinned ? words.unpin : words.pin, Icon: rights.pinned ? PinOff : Pin, run: () => ways.pin(!rights.pinned),
        },
        (message.reactions.length > 0 || message.readers.length > 0) && {
            key: "who", label: message.reactions.length > 0 ? words.reactions.who : words.readBy, Icon: Eye, run: () => conversing.openWho(message),
        },
        rights.remove && { key: "remove", label: words.remove, Icon: Trash2, bad: true, run: ways.remove },
    ];
    return all.filter((action) => action !== false);
}
