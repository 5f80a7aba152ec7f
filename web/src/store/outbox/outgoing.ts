// What waits to be sent, and what is to be done about an attempt that has failed.

import { ConnectionError, HTTPError, MatrixError } from "matrix-js-sdk";

/** A message on its way. It is kept as it is to be sent, but not yet encrypted. */
export interface Outgoing {
    order: number; // among all
    txn: string; // by which the server knows one that it has got already
    room: string;
    type: string;
    content: Record<string, unknown>;
    redacts?: string; // of a deletion: what is deleted
    uploads: Upload[];
    at: number; // when it was written, in milliseconds
    failed?: Failure;
}

/** A file that goes before the message: its address is put into the content when it has been uploaded. */
export interface Upload {
    part: "file" | "thumbnail"; // content.url or content.file; or those of content.info.thumbnail_...
    blob: Blob;
    name: string;
    done?: boolean;
}

/** Why the server does not take it: it would not the next time either. */
export type Failure = "forbidden" | "large" | "refused";

export const localId = (message: Outgoing): string => `~${message.room}:${message.txn}`; // as the SDK has them

interface Related {
    event_id?: string;
    "m.in_reply_to"?: { event_id?: string };
}

const relationOf = (message: Outgoing): Related => (message.content["m.relates_to"] as Related | undefined) ?? {};

/** Whether it is about this other message. */
export function isAbout(message: Outgoing, id: string): boolean {
    const relation = relationOf(message);
    return message.redacts === id || relation.event_id === id || relation["m.in_reply_to"]?.event_id === id;
}

/** What it is about has got its real id. */
export function pointTo(message: Outgoing, id: string, real: string): void {
    const relation = relationOf(message);
    if (message.redacts === id) message.redacts = real;
    if (relation.event_id === id) relation.event_id = real;
    const reply = relation["m.in_reply_to"];
    if (reply?.event_id === id) reply.event_id = real;
}

/** Puts the address of an uploaded file where it belongs. */
export function fill(message: Outgoing, upload: Upload, address: { url: string } | { file: object }): void {
    const { content } = message;
    if (upload.part === "file") {
        Object.assign(content, address);
        return;
    }
    const info = (content.info ??= {}) as Record<string, unknown>;
    if ("url" in address) info.thumbnail_url = address.url;
    else info.thumbnail_file = address.file;
}

export type Verdict = { is: "failed"; why: Failure } | { is: "later"; after?: number } | { is: "ended" };

/** What an attempt's failure means. after: milliseconds that the server wants to be left alone. */
export function verdictOf(error: unknown, attempts: number): Verdict {
    if (error instanceof ConnectionError || (error instanceof Error && ["AbortError", "TimeoutError"].includes(error.name))) return { is: "later" };
    if (error instanceof HTTPError) {
        const status = error.httpStatus ?? 0;
        const said = error instanceof MatrixError ? error.errcode : undefined;
        if (said === "M_UNKNOWN_TOKEN") return { is: "ended" };
        if (error.isRateLimitError()) return { is: "later", after: waitOf(error) };
        if (status === 413 || said === "M_TOO_LARGE") return { is: "failed", why: "large" };
        if (status >= 500 || !said) return { is: "later" }; // or something stands between us and the server
        return { is: "failed", why: said === "M_FORBIDDEN" ? "forbidden" : "refused" };
    }
    return attempts < 5 ? { is: "later" } : { is: "failed", why: "refused" };
}

function waitOf(error: HTTPError): number | undefined {
    try {
        return error.getRetryAfterMs() ?? undefined;
    } catch {
        return undefined; // not a time
    }
}
