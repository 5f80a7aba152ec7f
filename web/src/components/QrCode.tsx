import { useMemo } from "react";
import type { ReactNode } from "react";
import { encode } from "uqr";
import styles from "./QrCode.module.css";

interface QrCodeProps {
    data: string | Uint8Array;
    label: string;
}

/** A QR code, dark on light in both themes, or cameras would not see it. Load what shows one lazily: it brings the encoder. */
export function QrCode({ data, label }: QrCodeProps): ReactNode {
    const { size, path } = useMemo(() => drawn(data), [data]);
    return <svg className={styles.code} viewBox={`0 0 ${size} ${size}`} role="img" aria-label={label} shapeRendering="crispEdges"><path d={path} /></svg>;
}

/** One path for all dark modules: a run of a row is one line of it. */
export function drawn(data: string | Uint8Array): { size: number; path: string } {
    const code = encode(typeof data === "string" ? data : [...data], { ecc: "M", border: 3 });
    const path = code.data.flatMap((row, y) => [...row.map((dark) => (dark ? "#" : " ")).join("").matchAll(/#+/g)].map((run) => `M${run.index} ${y}h${run[0].length}v1h-${run[0].length}z`));
    return { size: code.size, path: path.join("") };
}
