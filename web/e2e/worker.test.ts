import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { House, register, setUp } from "./house.ts";

/** What a service worker has, which the page's types do not know. */
interface WorkerScope {
    registration: ServiceWorkerRegistration;
    NotificationEvent: new (type: string, init: { notification: Notification }) => Event;
    dispatchEvent: (event: Event) => boolean;
}

let house: House;
before(async () => {
    house = await House.build();
});
after(() => house.close());

test("the app opens without the server, and pictures load by their plain addresses", () => house.tell(async () => {
    const page = await house.page();
    await setUp(house, page, "alice", "a quiet morning");
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));

    // A picture of 1 x 1; then the same as a part of it, as <video> asks.
    const picture = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    const seen = await page.evaluate(async (picture) => {
        const { token } = JSON.parse(localStorage.getItem("freehold.account")!) as { token: string };
        const body = Uint8Array.from(atob(picture), (char) => char.charCodeAt(0));
        const answer = await fetch("/_matrix/media/v3/upload", { method: "POST", body, headers: { Authorization: `Bearer ${token}`, "Content-Type": "image/png" } });
        const { content_uri } = (await answer.json()) as { content_uri: string };
        const url = content_uri.replace("mxc://", "/_matrix/client/v1/media/download/");
        const image = new Image();
        image.src = url;
        await image.decode();
        const part = await fetch(url, { headers: { Range: "bytes=0-3" } });
        const kept = await Promise.all((await caches.keys()).map(async (name) => (await (await caches.open(name)).keys()).map((request) => request.url)));
        return { width: image.width, status: part.status, size: (await part.arrayBuffer()).byteLength, kept: kept.flat() };
    }, picture);
    assert.equal(seen.width, 1);
    assert.equal(seen.status, 206);
    assert.equal(seen.size, 4);
    assert.ok(seen.kept.length > 5 && !seen.kept.some((url) => url.includes("/_matrix")), `kept: ${seen.kept.join(" ")}`);

    await house.stop();
    await page.goto(`${house.url}/?again`);
    await page.getByRole("heading", { name: "Chats" }).waitFor();
    await page.getByText("The server has not answered since").waitFor();
    await house.start();
    await page.getByText("The server has not answered since").waitFor({ state: "hidden" });
}));

test("a banner that the worker has shown leads to where it came from", () => house.tell(async () => {
    const page = await house.page({ permissions: ["notifications"] });
    await register(house, page, "bob", "rain on the roof");
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
    const [worker] = page.context().serviceWorkers();
    await worker!.evaluate(async () => {
        const self = globalThis as unknown as WorkerScope;
        await self.registration.showNotification("News", { data: { path: "/settings/devices" } });
        const [notification] = await self.registration.getNotifications();
        self.dispatchEvent(new self.NotificationEvent("notificationclick", { notification: notification! }));
    });
    await page.waitForURL(`${house.url}/settings/devices`);
    await page.getByRole("heading", { name: "Devices" }).first().waitFor();
    assert.equal(await worker!.evaluate(async () => (await (globalThis as unknown as WorkerScope).registration.getNotifications()).length), 0);
}));
