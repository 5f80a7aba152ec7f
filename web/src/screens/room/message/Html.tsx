import { Check, Copy } from "lucide-react";
import { createElement, useMemo, useState } from "react";
import type { KeyboardEvent, ReactNode } from "react";
import { Linked } from "../../../components/Linked";
import { useSession } from "../../../session/use";
import { useStrings } from "../../../strings";
import styles from "./Html.module.css";
import { sanitise } from "./sanitise";
import { TargetLink } from "./TargetLink";

const deepest = 100; // levels, as the specification has it
const plain = new Set(["del", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "p", "ul", "sup", "sub", "li", "b", "i", "u", "strong", "em", "s", "hr", "br", "div", "thead", "tbody", "tr", "th", "td", "caption", "details", "summary"]);
const color = /^#[0-9a-f]{6}$/i;

/** Formatted text of a message: from the sanitised tree, elements of ours. */
export function Html({ html }: { html: string }): ReactNode {
    const own = useSession().account.user;
    const nodes = useMemo(() => children(sanitise(html), own, 0), [html, own]);
    return <div className={styles.html}>{nodes}</div>;
}

function children(node: Node, own: string, depth: number): ReactNode[] {
    return depth > deepest ? [] : [...node.childNodes].map((child, i) => draw(child, own, depth + 1, i));
}

function draw(node: Node, own: string, depth: number, key: number): ReactNode {
    if (node.nodeType === Node.TEXT_NODE) return <Linked key={key} text={node.textContent ?? ""} />;
    if (!(node instanceof Element)) return null;
    const name = node.localName;
    const inner = (): ReactNode[] => children(node, own, depth);
    switch (name) {
        case "a":
            return <TargetLink key={key} href={node.getAttribute("href") ?? ""} own={own} text={node.textContent} />;
        case "pre":
            return <Code key={key} text={node.textContent.replace(/\n$/, "")} />;
        case "code":
            return <code key={key} dir="ltr">{node.textContent}</code>;
        case "span":
            return node.hasAttribute("data-mx-spoiler") ? <Spoiler key={key} reason={node.getAttribute("data-mx-spoiler") ?? ""}>{inner()}</Spoiler> : <span key={key} style={colors(node)}>{inner()}</span>;
        case "ol": {
            const start = Number(node.getAttribute("start") ?? 1);
            return <ol key={key} start={Number.isSafeInteger(start) ? start : 1}>{elements(inner(), node)}</ol>;
        }
        case "table":
            return <div key={key} className={styles.table} tabIndex={0} role="group"><table>{elements(inner(), node)}</table></div>;
        case "img":
            return <span key={key}>{node.getAttribute("alt") ?? node.getAttribute("title") ?? ""}</span>;
        default:
            if (!plain.has(name)) return <span key={key}>{inner()}</span>;
            if (name === "hr" || name === "br") return createElement(name, { key });
            return createElement(name, { key }, ...(spaced.has(name) ? elements(inner(), node) : inner()));
    }
}

const spaced = new Set(["ul", "thead", "tbody", "tr"]); // between whose elements text is only for the eye of who writes HTML

const elements = (nodes: ReactNode[], parent: Node): ReactNode[] => nodes.filter((_, i) => parent.childNodes[i]?.nodeType !== Node.TEXT_NODE);

function colors(node: Element): { color?: string; backgroundColor?: string } {
    const [text, ground] = [node.getAttribute("data-mx-color") ?? "", node.getAttribute("data-mx-bg-color") ?? ""];
    return { ...(color.test(text) && { color: text }), ...(color.test(ground) && { backgroundColor: ground }) };
}

/** What is hidden until it is asked for. */
function Spoiler({ reason, children: inner }: { reason: string; children: ReactNode }): ReactNode {
    const words = useStrings().talk.format;
    const [shown, setShown] = useState(false);
    if (shown) return <span className={styles.revealed}>{inner}</span>;
    const show = (event: { preventDefault: () => void; stopPropagation: () => void }): void => {
        event.preventDefault();
        event.stopPropagation();
        setShown(true);
    };
    const pressed = (event: KeyboardEvent): void => {
        if (event.key === "Enter" || event.key === " ") show(event);
    };
    return (
        <span role="button" tabIndex={0} className={styles.spoiler} aria-label={reason ? words.spoilerOf(reason) : words.spoiler} title={reason || undefined} onClick={show} onKeyDown={pressed}>
            <span aria-hidden="true" inert>{inner}</span>
        </span>
    );
}

function Code({ text }: { text: string }): ReactNode {
    const words = useStrings().talk;
    const [copied, setCopied] = useState(false);
    const copy = (): void => {
        void navigator.clipboard.writeText(text).then(() => {
            setCopied(true);
            setTimeout(() => setCopied(false), 2000);
        });
    };
    return (
        <div className={styles.code}>
            <pre dir="ltr" tabIndex={0}><code>{text}</code></pre>
            <button type="button" className={styles.copy} aria-label={copied ? words.copied : words.format.code} title={words.format.code} onClick={copy}>
                {copied ? <Check size={16} /> : <Copy size={16} />}
            </button>
        </div>
    );
}
