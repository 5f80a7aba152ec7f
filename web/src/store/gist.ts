import { EventType, MsgType } from "matrix-js-sdk";
import { DecryptionFailureCode } from "matrix-js-sdk/lib/crypto-api";
import type { MatrixEvent } from "matrix-js-sdk";
import { fileGist } from "./attachment";
import type { FileGist } from "./attachment";
import { htmlOf } from "./plain";
import { isPoll, questionOf } from "./polls";

/**
 * Why a message cannot be read. before: written before this device had keys, and there is no backup; locked: the key is in the
 * backup, which this device cannot open; never: the person was not there; withheld: the sender's app does not trust this device;
 * broken: something is wrong with it; waiting: the key has not come yet.
 */
export type Unreadable = "before" | "locked" | "never" | "withheld" | "broken" | "waiting";

/** What an event says, in the form that both the list and the conversation show; words are for the screens to choose. */
export type Gist =
    | { is: "text"; text: string; html: string; manner: "said" | "did" | "noticed" } // html: as received, for the screen to sanitise; "": there is none
    | { is: "poll"; question: string }
    | FileGist
    | { is: "deleted" }
    | { is: "unreadable"; why: Unreadable }
    | { is: "news"; what: "created" | "encrypted" | "named" | "joined" | "left" | "invited" | "removed" | "verifying" | "pinned"; whom: string; value: string };

/** The gist of an event; undefined for those that nobody needs to see. */
export function gistOf(event: MatrixEvent): Gist | undefined {
    if (event.isState()) return newsOf(event);
    if (event.isDecryptionFailure() && !event.isRedacted()) return { is: "unreadable", why: whyOf(event) };
    switch (event.getType()) {
        case EventType.RoomMessageEncrypted as string:
            return event.isRedacted() ? { is: "deleted" } : undefined; // is being decrypted: a moment
        case EventType.Sticker as string:
            return event.isRedacted() ? { is: "deleted" } : fileGist(event);
        case EventType.RoomMessage as string:
            if (event.isRedacted()) return { is: "deleted" };
            if (event.isRelation("m.replace")) return undefined; // shown in what it replaces
            return messageGist(event);
        default:
            if (!isPoll(event)) return undefined;
            return event.isRedacted() ? { is: "deleted" } : { is: "poll", question: questionOf(event).question };
    }
}

const bodyOf = (event: MatrixEvent): string => {
    const body: unknown = event.getContent().body;
    if (typeof body !== "string") return "";
    return event.replyEventId ? body.replace(/^(> .*\n)+\n/, "") : body; // old clients repeat what they answer
};

function messageGist(event: MatrixEvent): Gist {
    const text = bodyOf(event);
    const html = htmlOf(event.getContent());
    const file = fileGist(event);
    if (file) return file;
    switch (event.getContent().msgtype) {
        case MsgType.Emote as string:
            return { is: "text", text, html, manner: "did" };
        case MsgType.KeyVerificationRequest as string:
            return { is: "news", what: "verifying", whom: String(event.getContent().to), value: "" };
        case MsgType.Notice as string:
            return { is: "text", text, html, manner: "noticed" };
        default:
            return { is: "text", text, html, manner: "said" };
    }
}

function whyOf(event: MatrixEvent): Unreadable {
    switch (event.decryptionFailureReason) {
        case DecryptionFailureCode.HISTORICAL_MESSAGE_NO_KEY_BACKUP:
            return "before";
        case DecryptionFailureCode.HISTORICAL_MESSAGE_BACKUP_UNCONFIGURED:
            return "locked";
        case DecryptionFailureCode.HISTORICAL_MESSAGE_USER_NOT_JOINED:
            return "never";
        case DecryptionFailureCode.MEGOLM_KEY_WITHHELD_FOR_UNVERIFIED_DEVICE:
            return "withheld";
        case DecryptionFailureCode.UNKNOWN_ERROR:
            return "broken";
        default:
            return "waiting";
    }
}

function newsOf(event: MatrixEvent): Gist | undefined {
    const news = (what: Extract<Gist, { is: "news" }>["what"], whom = "", value = ""): Gist => ({ is: "news", what, whom, value });
    const content = event.getContent();
    switch (event.getType()) {
        case EventType.RoomCreate as string:
            return news("created");
        case EventType.RoomEncryption as string:
            return news("encrypted");
        case EventType.RoomName as string:
            return content.name ? news("named", "", String(content.name)) : undefined;
        case EventType.RoomPinnedEvents as string:
            return pinnedMore(event) ? news("pinned") : undefined;
        case EventType.RoomMember as string: {
            const whom = event.getStateKey() ?? "";
            const before: unknown = event.getPrevContent().membership;
            if (content.membership === before) return undefined; // a new name or picture
            switch (content.membership) {
                case "join":
                    return news("joined", whom);
                case "invite":
                    return news("invited", whom);
                case "leave":
                    return news(event.getSender() === whom ? "left" : "removed", whom);
                case "ban":
                    return news("removed", whom);
            }
        }
    }
    return undefined;
}

/** Whether something was added to what is pinned. */
function pinnedMore(event: MatrixEvent): boolean {
    const ids = (content: Record<string, unknown>): unknown[] => (Array.isArray(content.pinned) ? content.pinned : []);
    const before = new Set(ids(event.getPrevContent()));
    return ids(event.getContent()).some((id) => !before.has(id));
}
