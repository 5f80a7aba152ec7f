import type { Gist } from "./gist";
import { inert } from "./inert";

const longest = 4000; // limit: characters of formatted text in lists, quotes and notifications | 4,000 | the rest is not shown there

const apart = "p, div, h1, h2, h3, h4, h5, h6, blockquote, pre, ul, ol, li, table, caption, tr, hr, details, summary"; // each has lines of its own
const hidden = "▒▒▒▒▒";
const end = "\0"; // of a line; the parser leaves none

/** The formatted text in a content, as received; "": there is none. */
export const htmlOf = ({ format, formatted_body: html }: Record<string, unknown>): string => (format === "org.matrix.custom.html" && typeof html === "string" ? html : "");

const known = new WeakMap<object, string>();

/** What a text says where it cannot be shown as it was formatted: without the marks that it was typed with. */
export function plainOf(gist: Extract<Gist, { is: "text" }>): string {
    const text = known.get(gist) ?? plainText(gist.html, gist.text);
    known.set(gist, text);
    return text;
}

/** The text of received HTML; that of body when there is none in it. */
export function plainText(html: string, body: string): string {
    if (!html) return body;
    const { body: page } = inert(html);
    for (const other of page.querySelectorAll("mx-reply, script, style, template, title")) other.remove();
    for (const secret of page.querySelectorAll("[data-mx-spoiler]")) secret.textContent = hidden;
    for (const code of page.querySelectorAll("pre")) code.textContent = code.textContent.replace(/\n/g, end);
    for (const picture of page.querySelectorAll("img")) picture.replaceWith(picture.getAttribute("alt") ?? picture.getAttribute("title") ?? "");
    for (const list of page.querySelectorAll("ul, ol")) {
        const first = list.localName === "ol" ? Number(list.getAttribute("start") ?? 1) || 0 : undefined;
        for (const [i, item] of [...list.children].entries()) {
            const paragraph = item.firstElementChild?.localName === "p" ? item.firstElementChild : undefined;
            paragraph?.replaceWith(...paragraph.childNodes, end); // it stands beside the mark
            item.prepend(first === undefined ? "• " : `${first + i}. `);
        }
    }
    for (const cell of page.querySelectorAll("td, th")) cell.append(" ");
    for (const line of page.querySelectorAll("br")) line.replaceWith(end);
    for (const block of page.querySelectorAll(apart)) {
        block.before(end);
        block.after(end);
    }
    const text = page.textContent.replace(/\s+/g, " ").replaceAll(/ ?\0[ \0]*/g, "\n").trim();
    return text.slice(0, longest) || body;
}
