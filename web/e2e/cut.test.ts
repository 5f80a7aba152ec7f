import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Page } from "playwright-core";
import { beginChat, House, message, openRoom, register, setUp, write } from "./house.ts";

let house: House;
let alice: Page;
let bob: Page;
before(async () => {
    house = await House.build();
    await house.tell(async () => {
        alice = await house.page();
        await setUp(house, alice, "alice", "a quiet morning");
        bob = await house.page();
        await register(house, bob, "bob", "rain on the roof");
        await beginChat(alice, "bob");
        await write(alice, "the very first");
        await openRoom(bob, "alice");
        await bob.getByRole("button", { name: "Accept" }).click();
        await message(bob, "the very first").waitFor();
    });
});
after(() => house.close());

const lost = "The server has not answered since";

/** Waits until what was written is no draft any more: it lies in the queue. Till then a reload would give it back to be sent. */
const safe = async (page: Page): Promise<void> => {
    await page.waitForFunction(() => !Object.keys(localStorage).some((key) => key.startsWith("freehold.of.draft.")));
};

/** Waits until the server has everything that was written. */
async function emptied(page: Page): Promise<void> {
    const left = (): Promise<number> => page.evaluate(async () => {
        const { name } = (await indexedDB.databases()).find(({ name }) => name?.endsWith(":outbox"))!;
        return new Promise<number>((resolve) => {
            const opening = indexedDB.open(name!);
            opening.onsuccess = () => {
                const counting = opening.result.transaction("messages").objectStore("messages").count();
                counting.onsuccess = () => {
                    opening.result.close();
                    resolve(counting.result);
                };
            };
        });
    });
    for (let i = 0; (await left()) > 0; i++) {
        if (i > 120) throw new Error("the queue is not sent");
        await page.waitForTimeout(500);
    }
}

/** What somebody reads of these texts, in order, each as often as it is there. */
async function read(page: Page, known: RegExp): Promise<string[]> {
    const shown = await page.getByRole("log").getByRole("article").allInnerTexts();
    return shown.flatMap((text) => known.exec(text)?.[0] ?? []);
}

test("what is written while the server is away survives a reload, and is sent once and in order when it is back", () => house.tell(async () => {
    await alice.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
    await house.stop();
    await alice.getByText(lost).waitFor();
    await write(alice, "cut 1");
    await write(alice, "cut 2");
    await message(alice, "cut 2").getByLabel("Waiting to be sent").waitFor();
    await safe(alice);
    await alice.reload();
    await message(alice, "the very first").waitFor(); // encrypted, and read without the server
    await alice.getByText(lost).waitFor();
    await message(alice, "cut 2").getByLabel("Waiting to be sent").waitFor();
    await write(alice, "cut 3");
    const wide = alice.viewportSize()!;
    await alice.setViewportSize({ width: 390, height: 800 }); // a phone, on which the list is not to be seen
    await alice.getByRole("main").getByText(lost).waitFor();
    await alice.setViewportSize(wide);
    await alice.waitForTimeout(6000); // long enough to be tried in vain
    await house.start();
    await alice.getByText(lost).waitFor({ state: "hidden" });
    await message(bob, "cut 3").waitFor();
    await message(alice, "cut 3").getByLabel(/Sent|Read/).waitFor();
    const want = ["cut 1", "cut 2", "cut 3"];
    assert.deepEqual(await read(bob, /cut \d/), want);
    assert.deepEqual(await read(alice, /cut \d/), want);
    await alice.reload();
    await message(alice, "cut 3").getByLabel(/Sent|Read/).waitFor();
    assert.deepEqual(await read(alice, /cut \d/), want, "nothing is sent again");
}));

test("a reload in the middle of a request neither loses nor doubles", () => house.tell(async () => {
    const context = alice.context();
    // One route for the whole story: a page whose requests are taken from a route while it loads may stay blank.
    let arrived: (() => void) | undefined;
    await context.route("**/send/**", async (route) => {
        const first = arrived;
        arrived = undefined;
        if (!first) return route.continue();
        await route.fetch(); // the server gets it, and its answer never comes
        first();
    });
    for (let i = 1; i <= 3; i++) {
        const reached = new Promise<void>((resolve) => (arrived = resolve));
        await write(alice, `torn ${i}`);
        await reached;
        await alice.reload();
        await message(bob, `torn ${i}`).waitFor();
        await message(alice, `torn ${i}`).getByLabel(/Sent|Read/).waitFor();
    }
    await context.unroute("**/send/**");
    const want = ["torn 1", "torn 2", "torn 3"];
    assert.deepEqual(await read(bob, /torn \d/), want);
    assert.deepEqual(await read(alice, /torn \d/), want);
}));

test("twenty cuts in a row lose and double nothing, in either direction", { timeout: 300_000 }, () => house.tell(async () => {
    const times = 20;
    for (let i = 1; i <= times; i++) {
        await write(alice, `a${i}: before`);
        await write(bob, `b${i}: before`);
        const stopping = house.stop(); // while these are on their way
        await write(alice, `a${i}: cut`);
        await stopping;
        await write(bob, `b${i}: cut`);
        await house.start();
    }
    for (const page of [alice, bob]) await emptied(page); // whose messages come first nobody knows
    await write(alice, "a21: the last");
    await message(bob, "a21: the last").waitFor();
    await write(bob, "b21: the last");
    await message(alice, "b21: the last").waitFor();
    const of = (who: string): string[] => [...Array.from({ length: times }, (_, i) => [`${who}${i + 1}: before`, `${who}${i + 1}: cut`]).flat(), `${who}21: the last`];
    for (const [page, name] of [[alice, "alice"], [bob, "bob"]] as const) {
        const all = await readAll(page, /[ab]\d+: (before|cut|the last)/);
        for (const who of ["a", "b"]) assert.deepEqual(all.filter((text) => text.startsWith(who)), of(who), `what ${name} reads of ${who}`);
    }
}));

test("what the server refuses is shown, and can be tried again or let go", () => house.tell(async () => {
    const context = alice.context();
    const refused = (text: string) => message(alice, text).getByText("Not sent: you may not write here.");
    await context.route("**/send/**", (route) => route.fulfill({ status: 403, json: { errcode: "M_FORBIDDEN", error: "no" } }));
    await write(alice, "refused 1");
    await write(alice, "refused 2");
    await refused("refused 1").waitFor();
    await refused("refused 2").waitFor();
    await context.unroute("**/send/**");
    await message(alice, "refused 1").getByRole("button", { name: "Delete" }).click();
    await message(alice, "refused 1").waitFor({ state: "detached" });
    await message(alice, "refused 2").getByRole("button", { name: "Try again" }).click();
    await message(bob, "refused 2").waitFor();
    assert.deepEqual(await read(bob, /refused \d/), ["refused 2"]);
}));

/** Only what is near is drawn: all of a conversation is read by going through it from its end. */
async function readAll(page: Page, known: RegExp): Promise<string[]> {
    const log = page.getByRole("log");
    let all = await read(page, known);
    for (let i = 0; i < 60; i++) {
        await log.hover();
        await page.mouse.wheel(0, -300);
        await page.waitForTimeout(80);
        const now = await read(page, known);
        const end = all.findIndex((_, at) => now.length > 0 && all[at] === now.at(-1));
        if (end >= 0) all = [...now, ...all.slice(end + 1)];
        if (await message(page, "the very first").isVisible()) break;
    }
    await page.getByRole("button", { name: "To the newest message" }).click();
    return all;
}
