import { mannerOf } from "../../../session/media/types";
import { previewSide } from "../../../session/media/media";
import type { Wish } from "../../../session/media/media";
import type { Attachment, FileGist } from "../../../store/attachment";

const megabyte = 1024 * 1024;
const previewLimit = 4 * megabyte; // limit: a preview that is fetched without being asked for | 4 MB | the picture shows its colours only
const pictureLimit = 20 * megabyte; // limit: a picture that is fetched without being asked for | 20 MB | it is fetched when it is opened
const movingLimit = 5 * megabyte;

/** What a file is shown as: what claims to be a picture and is none that is safe to show is a file like any other. */
export function lookOf(gist: FileGist): FileGist["kind"] {
    const { kind, file } = gist;
    if (!file || kind === "location" || kind === "file") return kind;
    const manner = mannerOf(file.mime || guess[kind]);
    if (kind === "voice") return manner === "audio" ? "voice" : "file";
    if (kind === "sticker") return manner === "image" ? "sticker" : "file";
    return manner === kind ? kind : "file";
}

const guess = { image: "image/png", sticker: "image/png", video: "video/mp4", audio: "audio/mpeg", voice: "audio/ogg" };

/** The whole file, to be looked at. */
export function wholeWish({ kind, file }: FileGist): Wish | undefined {
    if (!file || kind === "file" || kind === "location") return undefined;
    return { source: file.source, mime: file.mime || guess[kind] };
}

/** What shows a picture or a film in a conversation; undefined when nothing is fetched before it is opened. */
export function previewWish(gist: FileGist): Wish | undefined {
    const { kind, file } = gist;
    if (!file) return undefined;
    const moving = file.mime === "image/gif" && file.size > 0 && file.size <= movingLimit;
    if (file.preview && !moving && kind !== "sticker") return { source: file.preview, mime: safeMime(file), side: previewSide, limit: previewLimit };
    if (kind === "video") return undefined;
    const whole = wholeWish(gist);
    if (!whole || (file.source.lock && file.size > pictureLimit)) return undefined;
    return { ...whole, limit: pictureLimit, ...(!moving && kind !== "sticker" && { side: previewSide }) };
}

const safeMime = (file: Attachment): string => (mannerOf(file.preview?.mime ?? "") === "image" ? file.preview!.mime : "image/png");

/** The sides of a picture in a conversation, in CSS pixels: they are reserved before it has come. */
export function placeOf(file: Attachment | undefined, most: { width: number; height: number }): { width: number; height: number } {
    const width = file?.width || file?.preview?.width || 4;
    const height = file?.height || file?.preview?.height || 3;
    const scale = Math.min(most.width / width, most.height / height, 2);
    return { width: Math.max(Math.round(width * scale), 120), height: Math.max(Math.round(height * scale), 72) };
}
