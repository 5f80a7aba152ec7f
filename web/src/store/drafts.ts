import { Value } from "./value";

/** What has been typed and not sent, per room, over reloads. */
const place = (room: string): string => `freehold.of.draft.${room}`;

export const draftOf = (room: string): string => localStorage.getItem(place(room)) ?? "";

/** The newest draft that has changed, for the list. */
export const draftChanged = new Value<{ room: string } | undefined>(undefined);

export function keepDraft(room: string, text: string): void {
    if (text) localStorage.setItem(place(room), text);
    else localStorage.removeItem(place(room));
    draftChanged.set({ room });
}

/** A person as they stand in a text: "@Anna". */
export interface Mention {
    text: string;
    user: string;
}

/** What belongs to a draft beside its text: what it answers, or what it is to replace, and whom it names. */
export interface Context {
    reply?: string | undefined; // ids of events
    edit?: string | undefined;
    mentions: Mention[];
}

const contextPlace = (room: string): string => `freehold.of.context.${room}`;

export function contextOf(room: string): Context {
    try {
        const read = JSON.parse(localStorage.getItem(contextPlace(room)) ?? "null") as Context | null;
        if (read && Array.isArray(read.mentions)) return read;
    } catch {
        // not ours: as if there were none
    }
    return { mentions: [] };
}

export function keepContext(room: string, context: Context): void {
    if (context.reply || context.edit || context.mentions.length > 0) localStorage.setItem(contextPlace(room), JSON.stringify(context));
    else localStorage.removeItem(contextPlace(room));
}
