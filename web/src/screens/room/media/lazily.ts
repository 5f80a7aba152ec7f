import { lazy } from "react";

// What a message is written with loads after the conversation does.

export const StickerButton = lazy(() => import("./Stickers").then((file) => ({ default: file.StickerButton })));
export const Recorder = lazy(() => import("./Recorder").then((file) => ({ default: file.Recorder })));

/** Whether the browser can record; the code that does comes when it is needed. */
export const canRecord = (): boolean => typeof MediaRecorder !== "undefined" && (navigator.mediaDevices as MediaDevices | undefined)?.getUserMedia !== undefined;
