/// <reference lib="webworker" />
// The files of the app. Those below assets/ are named after what is in them: they are kept once, whatever builds they belong
// to. A page that was opened before an update goes on asking for the files of its own build, which the server no longer has.

declare const self: ServiceWorkerGlobalScope;

// Put in by tools/worker.mjs: with them the worker changes when the app does, which is how a browser sees that there is a new one.
declare const BUILD: string; // SHA-256 of the page, in hex; it names all others
declare const FILES: string[]; // paths, without the page

const place = "freehold.files";
const keptBuilds = 3; // limit: builds of the app in the browser's cache | 3 | a tab that has been open for longer must be loaded anew

interface Build {
    build: string;
    files: string[];
}

const pages = ["/", "/elsewhere"]; // one page under two policies, which came with it
const pageOf = (build: string, page: string): string => `${page}?build=${build}`; // nobody asks for that, so that it is never in the way
const listPlace = "/?builds";

/** Fetches what of this build is not there yet. It throws when something does not come: then the worker before stays. */
export async function keepFiles(): Promise<void> {
    const cache = await caches.open(place);
    for (const path of pages) {
        const page = await fetch(path, { cache: "no-cache" });
        if (!page.ok || (await hashOf(page.clone())) !== BUILD) throw new Error("the server has another build by now");
        await cache.put(pageOf(BUILD, path), page);
    }
    await Promise.all(FILES.map(async (path) => {
        const named = path.startsWith("/assets/");
        if (!(named && (await cache.match(path, { ignoreVary: true })))) await cache.add(new Request(path, { cache: named ? "default" : "no-cache" }));
    }));
    const others = (await builds(cache)).filter(({ build }) => build !== BUILD);
    await cache.put(listPlace, Response.json([{ build: BUILD, files: FILES }, ...others].slice(0, keptBuilds)));
}

/** Lets go of what only older builds than the last few had. */
export async function forgetOldFiles(): Promise<void> {
    const cache = await caches.open(place);
    const wanted = new Set([listPlace, ...(await builds(cache)).flatMap(({ build, files }) => [...pages.map((page) => pageOf(build, page)), ...files])]);
    for (const request of await cache.keys()) {
        const url = new URL(request.url);
        if (!wanted.has(url.pathname + url.search)) await cache.delete(request);
    }
}

/** Answers from what is kept, and asks the server for the rest only: a server that hangs must not keep the app from opening. */
export async function fetchApp(request: Request, url: URL): Promise<Response> {
    const cache = await caches.open(place);
    const page = /^\/elsewhere(\/|$)/.test(url.pathname) ? "/elsewhere" : "/";
    const path = request.mode === "navigate" ? pageOf(BUILD, page) : url.pathname;
    return (await cache.match(path, { ignoreVary: true })) ?? fetch(request);
}

async function builds(cache: Cache): Promise<Build[]> {
    const list = await cache.match(listPlace);
    return list ? ((await list.json()) as Build[]) : [];
}

async function hashOf(response: Response): Promise<string> {
    const hash = await self.crypto.subtle.digest("SHA-256", await response.arrayBuffer());
    return [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
