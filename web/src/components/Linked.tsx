import type { ReactNode } from "react";

const address = /\bhttps?:\/\/[^\s<>"]+/g;

/** Text in which addresses can be followed. What ends a sentence does not belong to an address. */
export function Linked({ text }: { text: string }): ReactNode {
    const parts: ReactNode[] = [];
    let end = 0;
    for (const { start, href } of addressesIn(text)) {
        parts.push(text.slice(end, start));
        parts.push(<a key={start} href={href} target="_blank" rel="noreferrer noopener">{href}</a>);
        end = start + href.length;
    }
    return <>{parts}{text.slice(end)}</>;
}

export function addressesIn(text: string): { start: number; href: string }[] {
    return [...text.matchAll(address)].flatMap((match) => {
        let href = match[0].replace(/[.,;:!?'»”]+$/, "");
        if (href.endsWith(")") && !href.includes("(")) href = href.slice(0, -1);
        return URL.canParse(href) ? [{ start: match.index, href }] : [];
    });
}
