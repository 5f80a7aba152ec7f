/**
 * What a received file may be shown as. A blob: address is of our origin, so what could run there, a page or an SVG, must
 * never be given one of these; it is bytes, to be saved.
 */
const shown = {
    image: ["image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "image/apng", "image/bmp"],
    video: ["video/mp4", "video/webm", "video/ogg", "video/quicktime"],
    audio: ["audio/ogg", "audio/mp4", "audio/mpeg", "audio/webm", "audio/wav", "audio/x-wav", "audio/aac", "audio/flac", "audio/x-m4a", "audio/m4a"],
};

export const bytes = "application/octet-stream";

/** The type to show a file with; bytes when it is none that is shown. */
export function safeType(mime: string): string {
    const type = mime.split(";")[0]!.trim().toLowerCase();
    return Object.values(shown).some((types) => types.includes(type)) ? type : bytes;
}

/** Whether a file of this type is shown as a picture, played, or neither. */
export function mannerOf(mime: string): "image" | "video" | "audio" | "file" {
    const type = mime.split(";")[0]!.trim().toLowerCase();
    for (const manner of ["image", "video", "audio"] as const) if (shown[manner].includes(type)) return manner;
    return "file";
}
