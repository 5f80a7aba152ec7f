import type { Mention } from "./drafts";
import { inert } from "./inert";

/** Text, as it goes into an event. */
export interface Words {
    body: string;
    format?: "org.matrix.custom.html";
    formatted_body?: string;
}

/** What a message of text says. */
export interface TextContent extends Words {
    msgtype: "m.text" | "m.emote";
    "m.mentions": { user_ids?: string[]; room?: true };
}

const spoilers = /\|\|(?!\s)([^\n]+?)\|\|/g;

/** Typed text with what formatting it has. */
export async function wordsOf(text: string, named: Mention[] = []): Promise<Words> {
    const { htmlOf } = await import("./markdown");
    const html = htmlOf(text, named);
    return html ? { body: text.replace(spoilers, "[Spoiler]"), format: "org.matrix.custom.html", formatted_body: html } : { body: text };
}

/** The content of what was typed. also: who is told beside those who are named, as one whose message is answered. */
export async function contentOf(typed: string, mentions: Mention[], also: string[] = []): Promise<TextContent> {
    const emote = typed.startsWith("/me ");
    const text = emote ? typed.slice("/me ".length) : typed;
    const named = mentions.filter((mention) => text.includes(mention.text));
    const users = [...new Set([...also, ...named.map((mention) => mention.user), ...(text.match(/(?<=^|\s)@[\w.=/+-]+:[\w.-]*\w(?::\d+)?/g) ?? [])])];
    return {
        msgtype: emote ? "m.emote" : "m.text",
        ...(await wordsOf(text, named)),
        "m.mentions": { ...(users.length > 0 && { user_ids: users }), ...(/(?<=^|\s)@room\b/.test(text) && { room: true as const }) },
    };
}

/** What relates a message to what it answers, and to the thread that it is in. last: the newest message of the thread. */
export function relationOf(thread: string | undefined, reply: string | undefined, last: string | undefined): Record<string, unknown> | undefined {
    if (!thread) return reply ? { "m.in_reply_to": { event_id: reply } } : undefined;
    return { rel_type: "m.thread", event_id: thread, is_falling_back: !reply, "m.in_reply_to": { event_id: reply ?? last ?? thread } };
}

/** The content of an edit. Told are only those who were not when it was first said. */
export function editOf(content: TextContent, edited: string, toldBefore: string[]): Record<string, unknown> {
    const fresh = content["m.mentions"].user_ids?.filter((user) => !toldBefore.includes(user)) ?? [];
    return {
        ...content,
        body: `* ${content.body}`,
        ...(content.formatted_body && { formatted_body: `* ${content.formatted_body}` }),
        "m.mentions": { ...(fresh.length > 0 && { user_ids: fresh }) },
        "m.new_content": content,
        "m.relates_to": { rel_type: "m.replace", event_id: edited },
    };
}

/** What was typed for a message, from what was sent: to be typed on. */
export function typedOf(body: string, html: string, manner: "said" | "did" | "noticed"): { text: string; mentions: Mention[] } {
    const mentions: Mention[] = [];
    let text = body;
    if (html) {
        const page = inert(html);
        for (const link of page.querySelectorAll<HTMLAnchorElement>("a[href^='https://matrix.to/#/']")) {
            const user = decodeURIComponent(new URL(link.href).hash.slice(2).split("?")[0]!);
            if (user.startsWith("@") && link.textContent) mentions.push({ text: link.textContent, user });
        }
        const hidden = [...page.querySelectorAll("[data-mx-spoiler]")].map((span) => span.textContent);
        text = text.replace(/\[Spoiler\]/g, () => `||${hidden.shift() ?? ""}||`);
    }
    return { text: manner === "did" ? `/me ${text}` : text, mentions };
}
