import { Value } from "../../../store/value";

type Content = Record<string, unknown>;

/** Where something is sent to: a conversation, or a thread in one. */
export interface Target {
    key: string;
    room: string;
    /** What the messages' content has besides: what the first answers, the thread of all. It is used up by that. */
    take: () => { first: Content; rest: Content };
}

export interface Chosen {
    target: Target;
    files: File[];
}

export const mostFiles = 30; // limit: files that are sent at once | 30 | the person is told

/** The files that were chosen, dropped or pasted, and about which the person is asked; undefined: none. */
export const chosen = new Value<Chosen | undefined>(undefined);

/** Asks whether these are to be sent, together with what has been chosen before. */
export function offer(target: Target, files: readonly File[]): void {
    const before = chosen.get();
    const all = [...(before?.target.key === target.key ? before.files : []), ...files];
    chosen.set(all.length > 0 ? { target, files: all } : undefined);
}

/** The files in what is pasted or dropped; none when there is text, of which programs add a picture. */
export function filesIn(data: DataTransfer | null): File[] {
    return !data || data.types.includes("text/plain") ? [] : [...data.files];
}
