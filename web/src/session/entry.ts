// Coming in: sign in, registration, the first account. It is plain HTTP, so that the page for it shows before the SDK has
// been loaded.

import type { Account } from "./account";

export interface About {
    server_name: string;
    first: boolean; // there is no account yet
    registration: "open" | "token" | "closed";
    min_password: number;
}

/** What went wrong, as the server calls it; "" when it could not be reached or said nothing that can be read. */
export class Refused extends Error {
    constructor(
        readonly code: string,
        message: string,
    ) {
        super(message);
    }
}

interface Answer {
    errcode?: string;
    error?: string;
}

// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the caller knows what the server answers
export async function ask<T>(method: "GET" | "POST", url: string, body?: object): Promise<{ status: number; answer: T & Answer }> {
    let response: Response;
    try {
        response = await fetch(url, {
            method,
            ...(body && { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
        });
    } catch {
        throw new Refused("", "no answer");
    }
    try {
        return { status: response.status, answer: (await response.json()) as T & Answer };
    } catch {
        throw new Refused("", `no JSON, status ${response.status}`);
    }
}

async function must<T>(method: "GET" | "POST", url: string, body?: object): Promise<T> {
    const { status, answer } = await ask<T>(method, url, body);
    if (status !== 200) throw new Refused(answer.errcode ?? "", answer.error ?? `status ${status}`);
    return answer;
}

/** The server that this page came from. */
export const ownServer = (): string => location.origin;

export const about = (homeserver: string): Promise<About> => must("GET", `${homeserver}/_freehold/v1/about`);

/** Makes the administrator's account with the token of the first start's link. */
export const setUp = (homeserver: string, token: string, name: string, password: string): Promise<{ user_id: string }> =>
    must("POST", `${homeserver}/_freehold/v1/setup`, { token, name, password });

interface SignedIn {
    user_id: string;
    device_id: string;
    access_token: string;
}

const accountOf = (homeserver: string, s: SignedIn): Account => ({
    homeserver,
    user: s.user_id,
    device: s.device_id,
    token: s.access_token,
});

export async function signIn(homeserver: string, name: string, password: string): Promise<Account> {
    const signedIn = await must<SignedIn>("POST", `${homeserver}/_matrix/client/v3/login`, {
        type: "m.login.password",
        identifier: { type: "m.id.user", user: name },
        password,
        initial_device_display_name: deviceName(),
    });
    return accountOf(homeserver, signedIn);
}

/** A login token is what a server's own page gives who has signed in there. */
export async function signInByToken(homeserver: string, token: string): Promise<Account> {
    return accountOf(homeserver, await must<SignedIn>("POST", `${homeserver}/_matrix/client/v3/login`, { type: "m.login.token", token, initial_device_display_name: deviceName() }));
}

/** Whether an invitation can still be used; when that cannot be found out, it is to be tried. */
export async function isValid(homeserver: string, token: string): Promise<boolean> {
    try {
        return (await must<{ valid: boolean }>("GET", `${homeserver}/_matrix/client/v1/register/m.login.registration_token/validity?token=${encodeURIComponent(token)}`)).valid;
    } catch {
        return true;
    }
}

interface Stages {
    session?: string;
    flows?: { stages: string[] }[];
}

/** Makes an account; token is the invitation, "" when there is none. */
export async function register(homeserver: string, name: string, password: string, token: string): Promise<Account> {
    const url = `${homeserver}/_matrix/client/v3/register`;
    const wish = { username: name, password, initial_device_display_name: deviceName() };
    const first = await ask<SignedIn & Stages>("POST", url, wish);
    if (first.status === 200) return accountOf(homeserver, first.answer);
    if (first.status !== 401) throw new Refused(first.answer.errcode ?? "", first.answer.error ?? "");
    const stages = first.answer.flows?.map((flow) => flow.stages.join(" ")) ?? [];
    const proof =
        token && stages.includes("m.login.registration_token") ? { type: "m.login.registration_token", token }
        : stages.includes("m.login.dummy") ? { type: "m.login.dummy" }
        : undefined;
    if (!proof) throw new Refused("M_FORBIDDEN", "an invitation is needed");
    const second = await ask<SignedIn>("POST", url, { ...wish, auth: { ...proof, session: first.answer.session } });
    if (second.status === 200) return accountOf(homeserver, second.answer);
    // A stage that was refused is answered like the first question.
    throw new Refused(second.status === 401 ? "M_FORBIDDEN" : (second.answer.errcode ?? ""), second.answer.error ?? "");
}

/** How this session is named in the list of devices. */
export function deviceName(agent: string = navigator.userAgent): string {
    const browser =
        /Firefox\//.test(agent) ? "Firefox"
        : /Edg\//.test(agent) ? "Edge"
        : /Chrom(e|ium)\//.test(agent) ? "Chrome"
        : /Safari\//.test(agent) ? "Safari"
        : "";
    const system =
        /Android/.test(agent) ? "Android"
        : /iPhone|iPad/.test(agent) ? "iOS"
        : /Windows/.test(agent) ? "Windows"
        : /Mac OS/.test(agent) ? "macOS"
        : /Linux/.test(agent) ? "Linux"
        : "";
    return ["Freehold", [browser, system].filter(Boolean).join(", ")].filter(Boolean).join(": ");
}
