import { decodeQR } from "qr/decode.js";
import { useEffect, useRef, useState } from "react";
import type { ReactNode } from "react";
import { Note } from "../../components/Page";
import { useStrings } from "../../strings";
import styles from "./Verify.module.css";

const every = 200; // milliseconds between two looks
const side = 640; // pixels that a picture is looked at with

/** The camera, until it sees a code that is taken. What it sees stays here. */
export default function Scan({ onCode }: { onCode: (code: Uint8ClampedArray) => Promise<boolean> }): ReactNode {
    const words = useStrings().own.verify;
    const video = useRef<HTMLVideoElement>(null);
    const [state, setState] = useState<"looking" | "none" | "other">("looking");
    const take = useRef(onCode);
    useEffect(() => {
        take.current = onCode;
    }, [onCode]);
    useEffect(() => {
        const screen = video.current!;
        let stream: MediaStream | undefined;
        let timer: ReturnType<typeof setTimeout> | undefined;
        let here = true;
        const look = async (): Promise<void> => {
            const code = codeIn(screen);
            const taken = code !== undefined && (await take.current(code));
            if (!here || taken) return;
            if (code) setState("other");
            timer = setTimeout(() => void look(), every);
        };
        const begin = async (): Promise<void> => {
            stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
            if (!here) {
                end();
                return;
            }
            screen.srcObject = stream;
            await screen.play();
            await look();
        };
        const end = (): void => stream?.getTracks().forEach((track) => track.stop());
        begin().catch((error: unknown) => {
            console.warn("no camera", error);
            if (here) setState("none");
        });
        return () => {
            here = false;
            clearTimeout(timer);
            end();
        };
    }, []);
    if (state === "none") return <Note look="warn">{words.noCamera}</Note>;
    return (
        <>
            <video ref={video} className={styles.camera} muted playsInline aria-label={words.camera} />
            <p role="status">{state === "other" ? words.notOurs : words.scanHint}</p>
        </>
    );
}

/** The bytes of a QR code that is in the picture; undefined when there is none. */
function codeIn(video: HTMLVideoElement): Uint8ClampedArray | undefined {
    const { videoWidth, videoHeight } = video;
    if (!videoWidth || !videoHeight) return undefined;
    const scale = Math.min(1, side / Math.max(videoWidth, videoHeight));
    const width = Math.round(videoWidth * scale);
    const height = Math.round(videoHeight * scale);
    const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true })!;
    context.drawImage(video, 0, 0, width, height);
    try {
        // Each byte as one character: a verification's code is no text.
        const text = decodeQR(context.getImageData(0, 0, width, height), { textDecoder: (bytes) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("") });
        return Uint8ClampedArray.from(text, (char) => char.charCodeAt(0));
    } catch {
        return undefined; // nothing in it that can be read
    }
}
