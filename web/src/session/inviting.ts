import { Method } from "matrix-js-sdk";
import type { MatrixClient, MatrixError } from "matrix-js-sdk";
import { about } from "./entry";

/** An invitation to the server itself: who has it can make an account. */
export interface Ticket {
    token: string;
    left: number | undefined; // how many may still use it; undefined: any number
    used: number;
    until: number | undefined; // in milliseconds; undefined: for ever
}

interface Token {
    token: string;
    uses_allowed: number | null;
    completed: number;
    expiry_time: number | null;
}

const path = "/v1/registration_tokens";
const prefix = { prefix: "/_synapse/admin" };

/** Inviting people to this server. Administrators make invitations; others can pass on what the server allows anyway. */
export class Inviting {
    constructor(readonly client: MatrixClient) {}

    /** What the person may do: make tickets, pass on an open door, or neither. */
    async means(): Promise<{ by: "tickets"; tickets: Ticket[] } | { by: "open" | "nothing" }> {
        const { registration } = await about(this.client.baseUrl);
        try {
            return { by: "tickets", tickets: await this.#tickets() };
        } catch (error) {
            if ((error as MatrixError).httpStatus !== 403 && (error as MatrixError).httpStatus !== 404) throw error;
            return { by: registration === "open" ? "open" : "nothing" };
        }
    }

    /** The invitations that can still be used. */
    async #tickets(): Promise<Ticket[]> {
        const { registration_tokens } = await this.client.http.authedRequest<{ registration_tokens: Token[] }>(Method.Get, path, { valid: "true" }, undefined, prefix);
        return registration_tokens.map(ticketOf);
    }

    async make(uses: number | undefined, days: number | undefined): Promise<Ticket> {
        const wish = { uses_allowed: uses ?? null, expiry_time: days === undefined ? null : Date.now() + days * 86_400_000 };
        return ticketOf(await this.client.http.authedRequest<Token>(Method.Post, `${path}/new`, undefined, wish, prefix));
    }

    async withdraw(token: string): Promise<void> {
        await this.client.http.authedRequest(Method.Delete, `${path}/${encodeURIComponent(token)}`, undefined, undefined, prefix);
    }
}

const ticketOf = (token: Token): Ticket => ({
    token: token.token,
    left: token.uses_allowed === null ? undefined : Math.max(0, token.uses_allowed - token.completed),
    used: token.completed,
    until: token.expiry_time ?? undefined,
});
