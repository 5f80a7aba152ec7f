/// <reference lib="webworker" />
// Files of conversations are given out for an access token only, which <img> and <video> cannot send. The worker adds it. It
// has it in memory alone: a worker is ended and started as the browser likes, and asks the page again.

declare const self: ServiceWorkerGlobalScope;

const patience = 5000; // milliseconds that a page may take to answer

let token: string | null = null;

export const isMedia = (request: Request, url: URL): boolean =>
    url.pathname.startsWith("/_matrix/client/v1/media/") && request.mode !== "navigate" && !request.headers.has("Authorization");

export function forgetToken(): void {
    token = null;
}

export async function fetchMedia(request: Request, clientId: string): Promise<Response> {
    const known = token;
    token ??= await ask(clientId);
    const response = await fetchWith(request, token);
    if (response.status !== 401 || !known) return response;
    token = await ask(clientId); // somebody has signed in anew
    return token === known ? response : fetchWith(request, token);
}

function fetchWith(request: Request, token: string | null): Promise<Response> {
    const headers = new Headers();
    for (const name of ["Accept", "Range", "If-Range"]) {
        const value = request.headers.get(name);
        if (value) headers.set(name, value);
    }
    if (token) headers.set("Authorization", `Bearer ${token}`);
    return fetch(request.url, { headers, mode: "same-origin", credentials: "omit", cache: request.cache, referrerPolicy: "no-referrer", signal: request.signal });
}

/** Asks the page that wants the file, see session/worker.ts. */
async function ask(clientId: string): Promise<string | null> {
    const page = await self.clients.get(clientId);
    if (!page) return null;
    return new Promise((resolve) => {
        const { port1, port2 } = new MessageChannel();
        const timer = setTimeout(() => resolve(null), patience);
        port1.onmessage = ({ data }: MessageEvent<unknown>) => {
            clearTimeout(timer);
            port1.close();
            resolve(typeof data === "string" ? data : null);
        };
        page.postMessage("token?", [port2]);
    });
}
