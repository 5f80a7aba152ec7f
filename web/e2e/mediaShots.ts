// Pictures of what conversations have in them besides text. Part of `npm run shots`; alone: node e2e/mediaShots.ts.

import type { Page } from "playwright-core";
import { beginChat, openRoom, register, setUp, write } from "./house.ts";
import { jpeg } from "./pictures.ts";
import { phoneForm, takePictures } from "./shoot.ts";

async function choose(page: Page, files: { name: string; mimeType: string; buffer: Buffer }[]): Promise<void> {
    await page.locator('input[type=file][aria-label="File"]').setInputFiles(files);
}

await takePictures("media", async (house, shoot) => {
    const alice = await house.page({ permissions: ["microphone", "geolocation"], geolocation: { latitude: 48.85828, longitude: 2.29449, accuracy: 20 } });
    await setUp(house, alice, "alice", "a quiet morning");
    const bob = await house.page({ ...phoneForm, permissions: ["microphone"] });
    await register(house, bob, "bob", "rain on the roof");
    await beginChat(alice, "bob");
    await write(alice, "The harvest, in pictures");
    await openRoom(bob, "alice");
    await bob.getByRole("button", { name: "Accept" }).click();
    const picture = async (name: string, width: number, height: number, colour: string) => ({ name, mimeType: "image/jpeg", buffer: await jpeg(alice, width, height, colour) });

    await choose(alice, [await picture("pears.jpg", 1600, 1100, "#5a9"), await picture("ladder.jpg", 800, 1300, "#c93"), { name: "recipe for the winter.pdf", mimeType: "application/pdf", buffer: Buffer.alloc(240_000, 1) }]);
    await alice.getByRole("dialog").getByLabel("Caption").fill("With the recipe");
    await shoot(alice, "send-desktop");
    await alice.getByRole("dialog").getByRole("button", { name: "Send", exact: true }).click();
    await alice.getByRole("article").filter({ hasText: "With the recipe" }).getByLabel(/^(Sent|Read)$/).waitFor();
    await alice.getByRole("button", { name: "Record a voice message" }).click();
    await alice.getByRole("timer").getByText("0:03").waitFor();
    await shoot(alice, "recording-desktop");
    await alice.getByRole("button", { name: "Send voice message" }).click();
    await alice.getByRole("button", { name: "Attach" }).click();
    await alice.getByRole("menuitem", { name: "Where I am" }).click();
    await alice.getByRole("dialog").getByText("48.85828° N").waitFor();
    await shoot(alice, "place-desktop");
    await alice.getByRole("dialog").getByRole("button", { name: "Send" }).click();
    await bob.getByRole("link", { name: "Open in OpenStreetMap" }).waitFor();
    await shoot(alice, "talk-desktop");
    await shoot(bob, "talk-phone");

    await alice.getByRole("button", { name: "Stickers" }).click();
    const panel = alice.getByRole("dialog", { name: "Stickers" });
    for (const [name, colour] of [["pear", "#d4b"], ["plum", "#46a"], ["leaf", "#4a6"], ["sun", "#da3"], ["sea", "#3ad"]] as const) {
        await panel.locator("input[type=file]").setInputFiles(await picture(`${name}.jpg`, 300, 300, colour));
        await panel.getByRole("button", { name, exact: true }).locator("img").waitFor();
    }
    await shoot(alice, "stickers-desktop");
    await panel.getByRole("button", { name: "pear", exact: true }).click();
    await bob.getByRole("log").getByRole("img", { name: "pear" }).waitFor();
    await choose(bob, [await picture("evening.jpg", 1200, 900, "#268")]);
    await shoot(bob, "send-phone");
    await bob.getByRole("dialog").getByLabel("Caption").fill("And this is how the evening looked from the hill, when everybody had gone home");
    await bob.getByRole("dialog").getByRole("button", { name: "Send", exact: true }).click();
    await alice.getByRole("button", { name: "Open evening.jpg" }).locator("img").waitFor();
    await shoot(alice, "caption-desktop");
    await shoot(bob, "caption-phone");
    await alice.getByRole("button", { name: "Open evening.jpg" }).click();
    await alice.getByRole("dialog").locator("img").waitFor();
    await shoot(alice, "viewer-desktop");
    await alice.keyboard.press("Escape");
    await bob.getByRole("button", { name: "Open evening.jpg" }).click();
    await bob.getByRole("dialog").locator("img").waitFor();
    await shoot(bob, "viewer-phone");
    await bob.keyboard.press("Escape");

    const debug = await alice.context().newCDPSession(alice);
    await debug.send("Network.enable");
    await debug.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 60_000 });
    await choose(alice, [await picture("plums.jpg", 2600, 1900, "#639"), { name: "minutes of the meeting.odt", mimeType: "application/vnd.oasis.opendocument.text", buffer: Buffer.alloc(900_000, 3) }]);
    await alice.getByRole("dialog").getByRole("button", { name: "Send", exact: true }).click();
    await alice.waitForTimeout(3500);
    await shoot(alice, "uploading-desktop");
});
