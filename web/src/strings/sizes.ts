import type { Strings } from "./en";

/** "1.4 MB". */
export function fileSize(bytes: number, language: string, { size }: Strings["media"]): string {
    const units = [size.b, size.kb, size.mb, size.gb];
    let value = bytes;
    let unit = 0;
    while (value >= 1000 && unit < units.length - 1) {
        value /= 1024;
        unit++;
    }
    return `${new Intl.NumberFormat(language, { maximumFractionDigits: unit > 1 && value < 10 ? 1 : 0 }).format(value)} ${units[unit]!}`;
}

/** "3:07", or "1:02:07". */
export function length(milliseconds: number): string {
    const all = Math.round(milliseconds / 1000);
    const two = (n: number): string => String(n).padStart(2, "0");
    const [hours, minutes, seconds] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60];
    return hours ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}
