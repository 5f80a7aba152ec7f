interface Change {
    piece: string;
    from: number;
    to: number;
    select: [number, number];
}

const marks: Record<string, string> = { b: "**", i: "*", e: "`" };

/** What a key with Ctrl or ⌘ does to the chosen text: bold, italic, code; again, and it is as it was. */
export function formatted(event: { key: string; ctrlKey: boolean; metaKey: boolean; altKey: boolean }, text: string, from: number, to: number): Change | undefined {
    if (!(event.ctrlKey || event.metaKey) || event.altKey) return undefined;
    const mark = marks[event.key.toLowerCase()];
    if (!mark) return undefined;
    const chosen = text.slice(from, to);
    const before = text.slice(Math.max(0, from - mark.length), from);
    if (before === mark && text.startsWith(mark, to)) {
        return { piece: chosen, from: from - mark.length, to: to + mark.length, select: [from - mark.length, to - mark.length] };
    }
    return { piece: mark + chosen + mark, from, to, select: [from + mark.length, to + mark.length] };
}
