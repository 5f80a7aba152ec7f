import { encode as blurhashOf } from "blurhash";
import { draw, encode, fit, openPicture } from "./draw";
import { bytes, mannerOf } from "./types";

/** A file that is ready to be sent, with what a message says of it. */
export interface Prepared {
    kind: "image" | "video" | "audio" | "file";
    name: string;
    body: Blob; // its type is what is sent
    width: number; // 0: none, as of the other numbers
    height: number;
    duration: number; // milliseconds
    blurhash: string;
    preview: { body: Blob; width: number; height: number } | undefined;
    wave: number[] | undefined; // of a voice message: loudness, from 0 to 1
}

const largestSide = 4096; // pixels of a photograph that is sent as a picture; more is seen by nobody, and can be sent as a file
const previewSide = 800; // pixels
const smallEnough = 120_000; // bytes of a picture that is its own preview
const patience = 10_000; // milliseconds until a film that cannot be opened is sent as it is

/** Looks at a file, and makes of it what is sent. unchanged: as a file, with everything that is in it. */
export async function prepare(file: File, unchanged: boolean): Promise<Prepared> {
    const plain: Prepared = {
        kind: "file", name: file.name || "file", body: file.type ? file : file.slice(0, file.size, bytes),
        width: 0, height: 0, duration: 0, blurhash: "", preview: undefined, wave: undefined,
    };
    if (unchanged) return plain;
    try {
        switch (mannerOf(file.type)) {
            case "image":
                return await preparePicture(file, plain);
            case "video":
                return await prepareFilm(file, plain);
            case "audio":
                return { ...plain, kind: "audio", duration: await durationOf(file) };
        }
    } catch (error) {
        console.warn("a file is sent as it is", error); // the browser cannot read it: somebody else's program may
    }
    return plain;
}

async function preparePicture(file: File, plain: Prepared): Promise<Prepared> {
    const picture = await openPicture(file);
    try {
        const moving = await moves(file);
        const { width, height } = moving ? picture : fit(picture.width, picture.height, largestSide);
        const type = file.type === "image/jpeg" || file.type === "image/bmp" ? "image/jpeg" : file.type === "image/png" ? "image/png" : "image/webp";
        const body = moving ? file : await encode(draw(picture, width, height), type);
        const name = body.type === file.type ? plain.name : `${plain.name.replace(/\.\w+$/, "")}.${body.type.slice("image/".length).replace("jpeg", "jpg")}`;
        const preview = body.size > smallEnough ? await previewOf(picture, width, height, body.type !== "image/jpeg") : undefined;
        return { ...plain, kind: "image", name, body, width, height, blurhash: hash(picture, width, height), preview };
    } finally {
        picture.close();
    }
}

/** A film is sent as it is; its description has one of its pictures. */
async function prepareFilm(file: File, plain: Prepared): Promise<Prepared> {
    const film = document.createElement("video");
    film.muted = true;
    film.preload = "auto";
    const url = URL.createObjectURL(file);
    try {
        film.src = url;
        await happened(film, "loadeddata");
        const { videoWidth: width, videoHeight: height } = film;
        const duration = Number.isFinite(film.duration) ? Math.round(film.duration * 1000) : 0;
        if (!width || !height) return { ...plain, kind: "audio", duration };
        film.currentTime = Math.min(1, film.duration / 3) || 0; // the first picture is often black
        await happened(film, "seeked");
        return { ...plain, kind: "video", width, height, duration, blurhash: hash(film, width, height), preview: await previewOf(film, width, height, false) };
    } finally {
        film.removeAttribute("src");
        film.load();
        URL.revokeObjectURL(url);
    }
}

async function durationOf(file: Blob): Promise<number> {
    const sound = document.createElement("audio");
    const url = URL.createObjectURL(file);
    try {
        sound.src = url;
        await happened(sound, "loadedmetadata");
        return Number.isFinite(sound.duration) ? Math.round(sound.duration * 1000) : 0;
    } finally {
        URL.revokeObjectURL(url);
    }
}

function happened(media: HTMLMediaElement, event: string): Promise<void> {
    return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`no ${event}`)), patience);
        media.addEventListener(event, () => { clearTimeout(timer); resolve(); }, { once: true });
        media.addEventListener("error", () => { clearTimeout(timer); reject(new Error(media.error?.message ?? "it cannot be played")); }, { once: true });
    });
}

async function previewOf(from: CanvasImageSource, width: number, height: number, clear: boolean): Promise<Prepared["preview"]> {
    const size = fit(width, height, previewSide);
    return { ...size, body: await encode(draw(from, size.width, size.height), clear ? "image/webp" : "image/jpeg", 0.8) };
}

/** What it looks like from afar, in 30 letters. */
function hash(from: CanvasImageSource, width: number, height: number): string {
    const size = fit(width, height, 32);
    const { data } = draw(from, size.width, size.height).getContext("2d")!.getImageData(0, 0, size.width, size.height);
    return blurhashOf(data, size.width, size.height, 4, 3);
}

/** Whether there is more than one picture in it: then it is sent as it is, as drawing it would leave one. */
async function moves(file: Blob): Promise<boolean> {
    if (file.type === "image/gif") return true;
    if (file.type !== "image/webp" && file.type !== "image/png" && file.type !== "image/apng") return false;
    const start = new TextDecoder("latin1").decode(await file.slice(0, 4096).arrayBuffer());
    return file.type === "image/webp" ? start.includes("ANIM") : start.includes("acTL");
}
