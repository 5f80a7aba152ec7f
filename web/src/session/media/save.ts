import type { FileSource } from "../../store/attachment";
import type { Media } from "./media";
import { bytes } from "./types";

const takenAfter = 60_000; // milliseconds in which the browser has begun to save

/** Fetches a file and has the browser save it. It is bytes, whatever its sender says that it is. */
export async function saveFile(media: Media, source: FileSource, name: string, signal: AbortSignal, progress: (part: number) => void): Promise<void> {
    const blob = await media.bytes({ source, mime: bytes }, signal, progress);
    const url = URL.createObjectURL(blob);
    const link = document.createElement("a");
    link.href = url;
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), takenAfter);
}
