/// <reference lib="webworker" />
// What a banner that the worker has shown for a page leads to: Chrome on Android lets only a worker show them.

declare const self: ServiceWorkerGlobalScope;

/** Brings the person to where the banner came from: in the page that they used last, or in a new one. */
export async function openBanner(banner: Notification): Promise<void> {
    banner.close();
    const { path } = (banner.data ?? {}) as { path?: unknown };
    if (typeof path !== "string" || !path.startsWith("/")) return;
    const [page] = await self.clients.matchAll({ type: "window", includeUncontrolled: true }); // the last used first
    if (!page) {
        await self.clients.openWindow(path);
        return;
    }
    page.postMessage({ go: path });
    await page.focus();
}
