// "Server Discovery": from what a person types to where the server answers.
// https://spec.matrix.org/v1.19/client-server-api/#server-discovery

import { ask } from "./entry";

export interface Homeserver {
    base: string; // of its addresses, without a slash at the end
    name: string; // as it was typed
    password: boolean; // lets people in by password
    page: boolean; // lets people in by a page of its own
}

/** Nothing that was typed leads to a server. */
export class NotFound extends Error {}

/** A name, an address of a person, or the address of a server. */
export function namedIn(typed: string): { name: string; base: string; asked: boolean } | undefined {
    const text = typed.trim().replace(/^@[^:\s]*:/, "").replace(/\/+$/, "");
    const whole = /^https?:\/\//i.test(text);
    const base = whole ? text : `https://${text}`;
    if (!text || /\s/.test(text) || !URL.canParse(base)) return undefined;
    const url = new URL(base);
    return { name: url.host, base: url.origin + url.pathname.replace(/\/+$/, ""), asked: !whole };
}

/** Finds the server; throws NotFound. */
export async function discover(typed: string): Promise<Homeserver> {
    const named = namedIn(typed);
    if (!named) throw new NotFound(typed);
    const published = named.asked ? await wellKnown(named.base) : undefined;
    for (const base of published ? [published, named.base] : [named.base]) {
        const flows = await flowsOf(base).catch(() => undefined);
        if (flows) return { base, name: named.name, password: flows.has("m.login.password"), page: flows.has("m.login.sso") && flows.has("m.login.token") };
    }
    throw new NotFound(typed);
}

/** Where a domain says that its server is. */
async function wellKnown(domain: string): Promise<string | undefined> {
    try {
        const { status, answer } = await ask<{ "m.homeserver"?: { base_url?: unknown } }>("GET", `${domain}/.well-known/matrix/client`);
        const base = answer["m.homeserver"]?.base_url;
        return status === 200 && typeof base === "string" && URL.canParse(base) ? base.replace(/\/+$/, "") : undefined;
    } catch {
        return undefined; // it says nothing, so it is the server itself
    }
}

async function flowsOf(base: string): Promise<Set<string> | undefined> {
    const versions = await ask<{ versions?: unknown }>("GET", `${base}/_matrix/client/versions`);
    if (versions.status !== 200 || !Array.isArray(versions.answer.versions)) return undefined;
    const { answer } = await ask<{ flows?: { type: string }[] }>("GET", `${base}/_matrix/client/v3/login`);
    return new Set(answer.flows?.map((flow) => flow.type));
}

const place = "freehold.elsewhere"; // while the person is on the server's own page

/** Goes to the server's own page, which sends the person back with a login token. */
export function goToPage(server: Homeserver): void {
    sessionStorage.setItem(place, server.base);
    location.assign(`${server.base}/_matrix/client/v3/login/sso/redirect?redirectUrl=${encodeURIComponent(`${location.origin}/elsewhere`)}`);
}

/** Whoever comes back from there: the server and the token. It can be used once. */
export function cameBack(): { base: string; token: string } | undefined {
    const token = new URL(location.href).searchParams.get("loginToken");
    const base = sessionStorage.getItem(place);
    if (!token || !base) return undefined;
    sessionStorage.removeItem(place);
    return { base, token };
}
