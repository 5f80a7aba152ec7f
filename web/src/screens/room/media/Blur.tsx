import { decode, isBlurhashValid } from "blurhash";
import { useLayoutEffect, useRef } from "react";
import type { ReactNode } from "react";
import styles from "./Media.module.css";

const side = 24; // pixels that are worked out; the browser makes them larger, and soft

/** What a picture looks like from afar, until it has come. */
export function Blur({ hash }: { hash: string }): ReactNode {
    const canvas = useRef<HTMLCanvasElement>(null);
    useLayoutEffect(() => {
        if (!isBlurhashValid(hash).result) return;
        const context = canvas.current!.getContext("2d");
        context?.putImageData(new ImageData(new Uint8ClampedArray(decode(hash, side, side)), side, side), 0, 0);
    }, [hash]);
    return <canvas ref={canvas} className={styles.blur} width={side} height={side} aria-hidden="true" />;
}
