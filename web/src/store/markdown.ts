import { Marked } from "marked";
import type { Token, TokenizerExtension, RendererExtension } from "marked";
import { roomLink, userLink } from "./addresses";
import type { Mention } from "./drafts";

export const escaped = (text: string): string => text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);

type Extension = TokenizerExtension & RendererExtension;

/** ||hidden until it is pressed|| */
const spoiler: Extension = {
    name: "spoiler",
    level: "inline",
    start: (src) => indexOrNone(src.indexOf("||")),
    tokenizer(src) {
        const [raw, inner] = /^\|\|(?!\s)([^\n]+?)\|\|/.exec(src) ?? [];
        return raw === undefined ? undefined : { type: "spoiler", raw, tokens: this.lexer.inlineTokens(inner!) };
    },
    renderer(token) {
        return `<span data-mx-spoiler>${this.parser.parseInline(token.tokens!)}</span>`;
    },
};

/** People as they were chosen, and whole addresses of people and rooms. */
const addressed = (mentions: Mention[]): Extension => ({
    name: "addressed",
    level: "inline",
    start: (src) => indexOrNone(src.search(/[@#]/)),
    tokenizer(src) {
        const chosen = mentions.filter(({ text }) => src.startsWith(text)).sort((a, b) => b.text.length - a.text.length)[0];
        if (chosen) return { type: "addressed", raw: chosen.text, text: chosen.text, href: userLink(chosen.user) };
        const [raw] = /^[@#][\w.=/+-]+:[\w-]+(?:\.[\w-]+)*(?::\d+)?/.exec(src) ?? [];
        return raw === undefined ? undefined : { type: "addressed", raw, text: raw, href: raw.startsWith("@") ? userLink(raw) : roomLink(raw) };
    },
    renderer: (token) => `<a href="${escaped(token.href as string)}">${escaped(token.text as string)}</a>`,
});

const indexOrNone = (index: number): number | undefined => (index < 0 ? undefined : index);

/** What is typed as HTML of the specification's list; "" when it would say no more than the text does. */
export function htmlOf(text: string, mentions: Mention[]): string {
    const marked = new Marked({ gfm: true, breaks: true });
    marked.use({
        extensions: [spoiler, addressed(mentions)],
        // What is no formatting in a chat: indented text, underlined headings, definitions of links.
        tokenizer: { code: () => undefined, lheading: () => undefined, def: () => undefined },
        renderer: {
            html: ({ text: raw }) => escaped(raw), // typed HTML is text
            image: ({ raw }) => escaped(raw),
            checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
        },
    });
    const tokens = marked.lexer(text);
    const blocks = tokens.filter((token) => token.type !== "space");
    const only = blocks.length === 1 ? blocks[0] : undefined;
    const html = (only?.type === "paragraph" ? marked.Parser.parseInline((only as Token & { tokens: Token[] }).tokens, marked.defaults) : marked.parser(tokens)).trim();
    return says(html) === text.replace(/\s+/g, " ").trim() ? "" : html;
}

/** The text of HTML that has nothing in it but line breaks and paragraphs; something else otherwise. */
const says = (html: string): string =>
    html.replace(/<\/?(?:p|br)>/g, " ").replace(/&(?:amp|#38);/g, "&").replace(/&(?:lt|#60);/g, "<").replace(/&(?:gt|#62);/g, ">").replace(/&(?:quot|#34);/g, "\"").replace(/&#39;/g, "'").replace(/\s+/g, " ").trim();
