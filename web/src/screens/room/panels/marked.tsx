import type { ReactNode } from "react";

const before = 40; // characters that are shown before what was found
const most = 240;

/** A piece of a text around the words that were looked for, with them marked. */
export function marked(text: string, question: string): ReactNode {
    const words = question.trim().split(/\s+/).filter(Boolean).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    if (words.length === 0) return text.slice(0, most);
    const pattern = new RegExp(`(${words.join("|")})`, "giu");
    const first = text.search(pattern);
    const start = first > before * 2 ? first - before : 0;
    const piece = `${start > 0 ? "…" : ""}${text.slice(start, start + most)}`;
    return piece.split(pattern).map((part, i) => (i % 2 === 1 ? <mark key={i}>{part}</mark> : part));
}
