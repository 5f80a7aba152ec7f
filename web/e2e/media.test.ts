import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import type { Locator, Page } from "playwright-core";
import { faultsOfAccess } from "./access.ts";
import { beginChat, House, message, openRoom, register, setUp, until, write } from "./house.ts";
import { jpeg, withExif } from "./pictures.ts";

let house: House;
let alice: Page;
let bob: Page;
const uploaded: Buffer[] = []; // what the server was given

before(async () => {
    house = await House.build();
    alice = await house.page({ permissions: ["microphone", "geolocation"], geolocation: { latitude: 48.85828, longitude: 2.29449, accuracy: 20 } });
    alice.on("request", (request) => {
        if (request.url().includes("/upload")) uploaded.push(request.postDataBuffer() ?? Buffer.alloc(0));
    });
    await setUp(house, alice, "alice", "a quiet morning");
    bob = await house.page();
    await register(house, bob, "bob", "rain on the roof");
    await beginChat(alice, "bob");
    await write(alice, "I have pictures");
    await openRoom(bob, "alice");
    await bob.getByRole("button", { name: "Accept" }).click();
    await message(bob, "I have pictures").waitFor();
});
after(() => house.close());

interface Given {
    name: string;
    mimeType: string;
    buffer: Buffer;
}

async function choose(page: Page, files: Given[], caption = ""): Promise<void> {
    await page.locator('input[type=file][aria-label="File"]').setInputFiles(files);
    const dialog = page.getByRole("dialog");
    if (caption) await dialog.getByLabel("Caption").fill(caption);
    await dialog.getByRole("button", { name: "Send", exact: true }).click();
}

const picture = (page: Page, name: string): Locator => page.getByRole("log").getByRole("button", { name: `Open ${name}` });

async function seen(page: Page, name: string): Promise<{ width: number; height: number }> {
    const image = picture(page, name).locator("img");
    await image.waitFor();
    return image.evaluate(async (element: HTMLImageElement) => {
        await element.decode();
        return { width: element.naturalWidth, height: element.naturalHeight };
    });
}

async function saved(page: Page, button: Locator): Promise<Buffer> {
    const [download] = await Promise.all([page.waitForEvent("download"), button.click()]);
    return readFile(await download.path());
}

test("an encrypted photograph loses what the camera wrote, is turned the right way, and is seen by the other", () => house.tell(async () => {
    const plain = await jpeg(alice, 1600, 1200, "#5a9");
    const photo = withExif(plain, 6); // turned by a quarter, and with a place
    assert.ok(photo.includes("Exif"));
    await choose(alice, [{ name: "pear.jpg", mimeType: "image/jpeg", buffer: photo }], "The pear tree");
    await message(alice, "The pear tree").getByLabel(/^(Sent|Read)$/).waitFor();
    const { width, height } = await seen(bob, "pear.jpg");
    assert.ok(height > width, `it stands: ${width} × ${height}`);
    await message(bob, "The pear tree").waitFor();
    assert.ok(uploaded.length >= 2, "the picture and its preview");
    for (const body of uploaded) assert.ok(!body.includes("JFIF") && !body.includes("Exif"), "the server was given what it cannot read");
    assert.deepEqual(await faultsOfAccess(bob), []);

    await picture(bob, "pear.jpg").click();
    const whole = await saved(bob, bob.getByRole("button", { name: "Download pear.jpg" }));
    assert.equal(whole.subarray(0, 2).toString("hex"), "ffd8");
    assert.ok(!whole.includes("Exif") && !whole.includes("GPS"), "no trace of the place");
    await bob.keyboard.press("Escape");
}));

test("a file goes from one to the other as it is; what could run is never more than a file", () => house.tell(async () => {
    const notes = Buffer.from("bread\nbutter\na long ladder\n");
    const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script>document.title = "gone"</script></svg>');
    await choose(bob, [{ name: "notes.txt", mimeType: "text/plain", buffer: notes }, { name: "drawing.svg", mimeType: "image/svg+xml", buffer: svg }]);
    assert.deepEqual(await saved(alice, alice.getByRole("button", { name: "Download notes.txt" })), notes);
    assert.deepEqual(await saved(alice, alice.getByRole("button", { name: "Download drawing.svg" })), svg);
    assert.equal(await picture(alice, "drawing.svg").count(), 0);
    await message(alice, "notes.txt").getByText("27 bytes").waitFor();
}));

test("pictures are dropped and pasted, and can be taken out again before they are sent", () => house.tell(async () => {
    const bytes = [...(await jpeg(alice, 300, 200, "#c93"))];
    for (const how of ["drop", "paste"]) {
        await alice.evaluate(({ how, bytes }) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], `${how}.jpg`, { type: "image/jpeg" }));
            const event = how === "drop" ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }) : new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
            document.activeElement!.dispatchEvent(event);
        }, { how, bytes });
        await alice.getByRole("dialog").getByText(`${how}.jpg`).waitFor();
        assert.deepEqual(await faultsOfAccess(alice), []);
        if (how === "drop") await alice.getByRole("dialog").getByRole("button", { name: "Remove drop.jpg" }).click();
        else await alice.keyboard.press("Enter"); // the caption has the focus
    }
    await seen(bob, "paste.jpg");
    assert.equal(await picture(bob, "drop.jpg").count(), 0);
}));

test("the viewer is used with the keyboard alone", () => house.tell(async () => {
    const names = ["one.jpg", "two.jpg", "three.jpg"];
    await choose(alice, await Promise.all(names.map(async (name, i) => ({ name, mimeType: "image/jpeg", buffer: await jpeg(alice, 900, 600, ["#268", "#842", "#284"][i]!) }))));
    for (const name of names) await seen(bob, name);
    await picture(bob, "two.jpg").focus();
    await bob.keyboard.press("Enter");
    const viewer = bob.getByRole("dialog", { name: "Pictures" });
    await viewer.getByRole("img", { name: "two.jpg" }).waitFor();
    await bob.keyboard.press("ArrowRight");
    await viewer.getByRole("img", { name: "three.jpg" }).waitFor();
    await bob.keyboard.press("ArrowLeft");
    await bob.keyboard.press("ArrowLeft");
    await viewer.getByRole("img", { name: "one.jpg" }).waitFor();
    const wide = async (): Promise<number> => (await viewer.getByRole("img", { name: "one.jpg" }).boundingBox())!.width;
    const before = await wide();
    await bob.keyboard.press("+");
    await until(bob, async () => (await wide()) > before * 1.3); // it comes nearer
    await bob.keyboard.press("0");
    await until(bob, async () => (await wide()) === before);
    assert.deepEqual(await faultsOfAccess(bob), []);
    for (let i = 0; i < 12; i++) {
        await bob.keyboard.press("Tab");
        // It stays inside. Between one end and the other it is nowhere for a moment.
        await bob.waitForFunction(() => document.activeElement?.closest("[role=dialog]") || document.activeElement?.hasAttribute("data-base-ui-focus-guard"));
    }
    await bob.keyboard.press("Escape");
    await viewer.waitFor({ state: "detached" });
    assert.match((await bob.evaluate(() => document.activeElement?.getAttribute("aria-label"))) ?? "", /Open \w+\.jpg|Messages/, "the focus is back where it was");
    // What one has sent oneself is opened in the same way.
    await picture(alice, "two.jpg").click();
    await alice.getByRole("dialog", { name: "Pictures" }).getByRole("img", { name: "two.jpg" }).waitFor();
    await alice.keyboard.press("Escape");
    await alice.getByRole("dialog", { name: "Pictures" }).waitFor({ state: "detached" });
}));

test("what is on its way shows how far it has come, and is taken back", () => house.tell(async () => {
    const debug = await alice.context().newCDPSession(alice);
    await debug.send("Network.enable");
    const speed = (uploadThroughput: number): Promise<unknown> => debug.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput });
    await speed(150_000);
    await choose(alice, [{ name: "long.bin", mimeType: "application/octet-stream", buffer: Buffer.alloc(3_000_000, 7) }]);
    const line = alice.getByRole("article").filter({ hasText: "long.bin" });
    const bar = line.getByRole("progressbar");
    await bar.waitFor();
    await alice.waitForFunction(() => Number(document.querySelector('article [role="progressbar"]')?.getAttribute("aria-valuenow")) >= 10);
    assert.deepEqual(await faultsOfAccess(alice), []);
    await line.getByRole("button", { name: "Cancel sending long.bin" }).click();
    await line.waitFor({ state: "detached" });
    await speed(-1);
    await write(alice, "never mind");
    await message(bob, "never mind").waitFor();
    assert.equal(await bob.getByRole("article").filter({ hasText: "long.bin" }).count(), 0);
}));

test("a voice message is recorded, seen as a wave, played and sought in", () => house.tell(async () => {
    const began = Date.now();
    await alice.getByRole("button", { name: "Record a voice message" }).click();
    await alice.getByRole("timer").getByText("0:03").waitFor();
    assert.deepEqual(await faultsOfAccess(alice), []);
    await alice.getByRole("button", { name: "Send voice message" }).click();
    const most = Math.ceil((Date.now() - began) / 1000);
    const voice = bob.getByRole("article").filter({ has: bob.getByRole("slider", { name: "Position" }) }).last();
    await voice.waitFor();
    const bars = await voice.locator("svg rect").evaluateAll((all) => new Set(all.map((bar) => Math.round(Number(bar.getAttribute("height"))))).size);
    assert.ok(bars > 3, "the wave is that of the beeps of the browser's false microphone");
    const slider = voice.getByRole("slider", { name: "Position" });
    const [, lasts] = /of 0:(\d\d)/.exec((await slider.getAttribute("aria-valuetext"))!)!;
    assert.ok(Number(lasts) >= 2 && Number(lasts) <= most, `it lasts ${lasts!} s, of at most ${most}`);
    await voice.getByRole("button", { name: "Play" }).click();
    await voice.getByRole("button", { name: "Pause" }).waitFor();
    const sound = voice.locator("audio");
    await bob.waitForFunction((element) => (element as HTMLAudioElement).currentTime > 0.3, await sound.elementHandle());
    assert.ok(await sound.evaluate((element: HTMLAudioElement) => Number.isFinite(element.duration)), "it says how long it is");
    await voice.getByRole("button", { name: "Pause" }).click();
    await slider.evaluate((element: HTMLInputElement) => {
        Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value")!.set!.call(element, "1.5");
        element.dispatchEvent(new Event("input", { bubbles: true }));
    });
    await bob.waitForFunction((element) => Math.abs((element as HTMLAudioElement).currentTime - 1.5) < 0.2, await sound.elementHandle());
    await voice.getByRole("button", { name: "Speed: 1×" }).click();
    assert.equal(await sound.evaluate((element: HTMLAudioElement) => element.playbackRate), 1.5);
    assert.deepEqual(await faultsOfAccess(bob), []);
}));

test("a place is sent in numbers, and no map is fetched", () => house.tell(async () => {
    await alice.getByRole("button", { name: "Attach" }).click();
    await alice.getByRole("menuitem", { name: "Where I am" }).click();
    const dialog = alice.getByRole("dialog");
    await dialog.getByText("48.85828° N, 2.29449° E").waitFor();
    await dialog.getByRole("button", { name: "Send" }).click();
    const link = bob.getByRole("link", { name: "Open in OpenStreetMap" });
    await link.waitFor();
    assert.equal(await link.getAttribute("href"), "https://www.openstreetmap.org/?mlat=48.85828&mlon=2.29449#map=16/48.85828/2.29449");
}));

test("a sticker is made of a picture, and sent", () => house.tell(async () => {
    await alice.getByRole("button", { name: "Stickers" }).click();
    const panel = alice.getByRole("dialog", { name: "Stickers" });
    await panel.getByText("There are no stickers yet").waitFor();
    await panel.locator("input[type=file]").setInputFiles({ name: "a happy pear.jpg", mimeType: "image/jpeg", buffer: await jpeg(alice, 400, 400, "#d4b") });
    const sticker = panel.getByRole("button", { name: "a happy pear", exact: true });
    await sticker.locator("img").waitFor();
    assert.deepEqual(await faultsOfAccess(alice), []);
    await sticker.click();
    await bob.getByRole("log").getByRole("img", { name: "a happy pear" }).waitFor();
}));

test("after a reload the pictures are there again", () => house.tell(async () => {
    await bob.reload();
    await seen(bob, "three.jpg");
}));
