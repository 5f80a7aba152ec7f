import { EventType, MsgType } from "matrix-js-sdk";
import type { Words } from "../../store/content";
import type { Draft } from "../../store/outbox/outbox";
import type { Prepared } from "./prepare";

const types = { image: MsgType.Image, video: MsgType.Video, audio: MsgType.Audio, file: MsgType.File };

/**
 * The message of a file, but for the addresses, which the outbox puts in. Fields of proposals are those that the field's clients
 * write and read. more: of its content, such as what it answers.
 */
export function draftOf(file: Prepared, caption: Words | undefined, more: Record<string, unknown> = {}): Draft {
    const info: Record<string, unknown> = { mimetype: file.body.type, size: file.body.size };
    if (file.width && file.height) Object.assign(info, { w: file.width, h: file.height });
    if (file.duration) info.duration = file.duration;
    if (file.blurhash) info["xyz.amorgan.blurhash"] = file.blurhash; // MSC2448
    const { preview } = file;
    if (preview) info.thumbnail_info = { mimetype: preview.body.type, size: preview.body.size, w: preview.width, h: preview.height };
    return {
        type: EventType.RoomMessage,
        content: {
            msgtype: types[file.kind],
            body: file.name,
            ...caption,
            filename: file.name,
            info,
            ...(file.wave && { // MSC3245, in the form of MSC1767 that was never final and everybody sends
                "org.matrix.msc1767.audio": { duration: file.duration, waveform: file.wave.map((value) => Math.round(value * 1024)) },
                "org.matrix.msc3245.voice": {},
            }),
            ...more,
        },
        uploads: [
            ...(preview ? [{ part: "thumbnail" as const, blob: preview.body, name: "" }] : []),
            { part: "file" as const, blob: file.body, name: file.name },
        ],
    };
}
