import { go } from "../store/place";
import { Value } from "../store/value";
import { savedAccount } from "./account";

/** Whether addresses of the server's files (/_matrix/client/v1/media/...) can be given to <img> and <video> as they are: a
 * service worker adds the token. There is none where the page came unencrypted, nor with a foreign homeserver: then fetch them. */
export const worksWithMedia = new Value(false);

/** A newer version of the app is here, and comes with the next reload. */
export const newVersion = new Value(false);

const checkAgain = 60 * 60_000; // milliseconds; browsers themselves look when a page is opened, and some stay open for weeks

const isOurs = (): boolean => savedAccount()?.homeserver === location.origin;

/** Installs the service worker, and answers it. */
export function startWorker(): void {
    const workers = navigator.serviceWorker as ServiceWorkerContainer | undefined; // secure pages only
    if (!workers || !import.meta.env.PROD) return;
    workers.addEventListener("message", ({ data, ports }: MessageEvent<unknown>) => {
        if (data === "token?") ports[0]?.postMessage(isOurs() ? savedAccount()!.token : null);
        else if (typeof data === "object" && data !== null && "go" in data && typeof data.go === "string") go(data.go);
    });
    let before = workers.controller;
    const look = (): void => {
        if (before && workers.controller !== before) newVersion.set(true);
        before = workers.controller;
        worksWithMedia.set(workers.controller !== null && isOurs());
    };
    workers.addEventListener("controllerchange", look);
    look();
    workers.register("/worker.js").then(
        (registration) => setInterval(() => void registration.update().catch(() => undefined), checkAgain),
        (error: unknown) => console.warn("the app will not open without the server", error),
    );
}

/** To be called when the account of this browser has changed. */
export function accountChanged(): void {
    const worker = (navigator.serviceWorker as ServiceWorkerContainer | undefined)?.controller;
    worker?.postMessage("forget");
    worksWithMedia.set(!!worker && isOurs());
}
