import { useSession } from "../../../session/use";
import type { Message } from "../../../store/items";
import { useValue } from "../../../store/value";

/** How far a message's file has come. */
export interface OnTheWay {
    part: number; // from 0 to 1
    cancel: () => void;
}

/** How far the file of an own message has come; undefined when it is there, or nothing can be cancelled any more. */
export function useOnTheWay(message: Message): OnTheWay | undefined {
    const { outbox } = useSession();
    const parts = useValue(outbox.uploading.parts);
    const { key, progress } = message;
    if (!progress || progress === "sent" || progress === "read") return undefined;
    return { part: progress === "failed" ? 0 : (parts.get(key) ?? 0), cancel: () => outbox.cancel(key) };
}
