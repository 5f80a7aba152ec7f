import type { Spot } from "../../../store/attachment";

/** "48.85828° N, 2.29449° E". */
export function coordinates({ latitude, longitude }: Spot): string {
    const one = (value: number, [positive, negative]: [string, string]): string => `${Math.abs(value).toFixed(5)}° ${value < 0 ? negative : positive}`;
    return `${one(latitude, ["N", "S"])}, ${one(longitude, ["E", "W"])}`;
}

export const mapOf = ({ latitude, longitude }: Spot): string =>
    `https://www.openstreetmap.org/?mlat=${latitude}&mlon=${longitude}#map=16/${latitude}/${longitude}`;
