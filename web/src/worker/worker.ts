/// <reference lib="webworker" />
// The service worker: it lets the app open without the server, and pictures and films load with the access token. It is a
// file of its own at /worker.js, made by tools/worker.mjs.

import { openBanner } from "./banners";
import { fetchApp, forgetOldFiles, keepFiles } from "./files";
import { fetchMedia, forgetToken, isMedia } from "./media";

declare const self: ServiceWorkerGlobalScope;

self.addEventListener("install", (event) => {
    event.waitUntil(keepFiles().then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
    event.waitUntil(Promise.all([forgetOldFiles(), self.clients.claim()]));
});

self.addEventListener("message", (event) => {
    if (event.data === "forget") forgetToken();
});

self.addEventListener("notificationclick", (event) => {
    event.waitUntil(openBanner(event.notification));
});

self.addEventListener("fetch", (event) => {
    const { request } = event;
    const url = new URL(request.url);
    if (request.method !== "GET" || url.origin !== self.location.origin) return;
    if (isMedia(request, url)) event.respondWith(fetchMedia(request, event.clientId));
    else if (!url.pathname.startsWith("/_") && !url.pathname.startsWith("/.well-known/")) event.respondWith(fetchApp(request, url));
});
