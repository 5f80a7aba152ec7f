import { EventType, MsgType } from "matrix-js-sdk";
import type { MatrixEvent } from "matrix-js-sdk";
import { htmlOf } from "./plain";

/** Where a file lies, and what opens it when it is encrypted. */
export interface FileSource {
    url: string; // mxc:
    lock?: Lock;
}

/** What opens an encrypted file; each is unpadded base64, of URLs in the case of the key. */
export interface Lock {
    key: string;
    iv: string;
    hash: string; // SHA-256 of what lies on the server
}

/** A file in a message, as its sender describes it: nothing of it is known to be true. */
export interface Attachment {
    source: FileSource;
    mime: string;
    size: number; // bytes; 0: not said, as with the other numbers
    width: number;
    height: number;
    duration: number; // milliseconds
    blurhash: string;
    preview: (FileSource & { mime: string; width: number; height: number }) | undefined;
    wave: number[] | undefined; // of a voice message: loudness, from 0 to 1
}

export interface Spot {
    latitude: number;
    longitude: number;
}

export type FileKind = "image" | "video" | "audio" | "voice" | "file" | "sticker" | "location";

/** What a message with a file in it says. */
export interface FileGist {
    is: "file";
    kind: FileKind;
    name: string;
    caption: string;
    html?: string; // the caption, formatted, as received
    file?: Attachment; // undefined when it cannot be fetched
    spot?: Spot;
}

type Loose = Record<string, unknown>;

const loose = (value: unknown): Loose => (typeof value === "object" && value !== null ? (value as Loose) : {});
const text = (value: unknown): string => (typeof value === "string" ? value : "");
const number = (value: unknown, most: number): number => (typeof value === "number" && value > 0 && value <= most ? value : 0);

const largestSide = 100_000; // pixels; what claims more says nothing
const longestWave = 1024; // limit: values of a voice message's waveform | 1,024 | the message is shown without

const kinds: Partial<Record<string, FileKind>> = {
    [MsgType.Image]: "image", [MsgType.Video]: "video", [MsgType.Audio]: "audio", [MsgType.File]: "file", [MsgType.Location]: "location",
};

/** The gist of a message that has a file, or a place; undefined for others. */
export function fileGist(event: MatrixEvent): FileGist | undefined {
    const content: Loose = event.getContent();
    const sticker = event.getType() === (EventType.Sticker as string);
    const kind = sticker ? "sticker" : kinds[text(content.msgtype)];
    if (!kind) return undefined;
    const body = text(content.body);
    if (kind === "location") return { is: "file", kind, name: "", caption: body, spot: spotOf(text(content.geo_uri)) };
    const file = attachmentOf(content, event.status === null ? undefined : event.getTxnId());
    const filename = text(content.filename);
    const captioned = filename !== "" && filename !== body;
    const named = sticker ? body : filename || body;
    return { is: "file", kind: kind === "audio" && file?.wave ? "voice" : kind, name: named, caption: captioned ? body : "", html: captioned ? htmlOf(content) : "", file };
}

/** waiting: the transaction of a message that is not sent yet, whose files are here. */
function attachmentOf(content: Loose, waiting?: string): Attachment | undefined {
    const info = loose(content.info);
    const audio = loose(content["org.matrix.msc1767.audio"]);
    const about = loose(info.thumbnail_info);
    const source = sourceOf(content.url, content.file) ?? (waiting && { url: waitingAddress(waiting, "file") });
    if (!source) return undefined;
    const thumbnail = sourceOf(info.thumbnail_url, info.thumbnail_file) ?? (waiting && info.thumbnail_info ? { url: waitingAddress(waiting, "thumbnail") } : undefined);
    return {
        source,
        mime: text(info.mimetype).toLowerCase(),
        size: number(info.size, Number.MAX_SAFE_INTEGER),
        width: number(info.w, largestSide),
        height: number(info.h, largestSide),
        duration: number(info.duration, 1e12) || number(audio.duration, 1e12),
        blurhash: text(info["xyz.amorgan.blurhash"]),
        preview: thumbnail && { ...thumbnail, mime: text(about.mimetype).toLowerCase(), width: number(about.w, largestSide), height: number(about.h, largestSide) },
        wave: "org.matrix.msc3245.voice" in content ? waveOf(audio.waveform) : undefined,
    };
}

/** Where a file is that waits to be sent; of our own making, never taken from a message. */
const waitingAddress = (txn: string, part: string): string => `waiting:${part}/${txn}`;

/** The part and the transaction of a file that waits to be sent; undefined for what lies on a server. */
export function waitingAt(url: string): { part: "file" | "thumbnail"; txn: string } | undefined {
    const [, part, txn] = /^waiting:(file|thumbnail)\/(.+)$/.exec(url) ?? [];
    return part && txn ? { part: part as "file" | "thumbnail", txn } : undefined;
}

/** A file that is encrypted is fetched as such only: in an encrypted room nobody can pass off another for it. */
export function sourceOf(url: unknown, file: unknown): FileSource | undefined {
    if (file === undefined) return isAddress(url) ? { url } : undefined;
    const { url: at, key, iv, hashes } = loose(file);
    const lock = { key: text(loose(key).k), iv: text(iv), hash: text(loose(hashes).sha256) };
    return isAddress(at) && lock.key && lock.iv && lock.hash ? { url: at, lock } : undefined;
}

/** Also: nothing in it leads to another path of the server. */
const isAddress = (url: unknown): url is string => typeof url === "string" && /^mxc:\/\/[^/?#\\\s]+\/[\w-]+$/.test(url);

function waveOf(wave: unknown): number[] {
    if (!Array.isArray(wave) || wave.length > longestWave) return [];
    return wave.map((value) => (typeof value === "number" ? Math.min(Math.max(value / 1024, 0), 1) : 0));
}

/** The place of a geo: address (RFC 5870); undefined when there is none on Earth. */
export function spotOf(geo: string): Spot | undefined {
    const [, latitude, longitude] = /^geo:(-?\d{1,2}(?:\.\d+)?),(-?\d{1,3}(?:\.\d+)?)(?:[,;]|$)/.exec(geo) ?? [];
    const spot = { latitude: Number(latitude), longitude: Number(longitude) };
    return Math.abs(spot.latitude) <= 90 && Math.abs(spot.longitude) <= 180 ? spot : undefined;
}
