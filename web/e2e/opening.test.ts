import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { beginChat, House, message, openRoom, register, sealed, setUp, write } from "./house.ts";

let house: House;
before(async () => {
    house = await House.build();
});
after(() => house.close());

test("the list is there while the account is still being opened, and what was begun in it goes on", () => house.tell(async () => {
    const alice = await house.page();
    await setUp(house, alice, "alice", "a quiet morning");
    const bob = await house.page();
    await register(house, bob, "bob", "rain on the roof");
    await beginChat(alice, "bob");
    await write(alice, "only for the two of us");
    await openRoom(bob, "alice");
    await bob.getByRole("button", { name: "Accept" }).click();
    await message(alice, "only for the two of us").getByLabel("Read").waitFor();
    await alice.getByRole("navigation").getByText("only for the two of us").waitFor();

    // Nobody who copies the browser's files reads from the list what was encrypted.
    const kept = await sealed(alice, "freehold-glance:", "only for the two of us");
    assert.ok(kept.length > 100);
    assert.doesNotMatch(kept, /only for/);

    // Everything stands still where the encryption is loaded, until it is let go on.
    await alice.addInitScript(() => {
        const gate = new Promise<void>((resolve) => Object.assign(window, { openGate: resolve }));
        const { compileStreaming, instantiateStreaming } = WebAssembly;
        WebAssembly.compileStreaming = (...all) => gate.then(() => compileStreaming(...all));
        WebAssembly.instantiateStreaming = (...all: Parameters<typeof instantiateStreaming>) => gate.then(() => instantiateStreaming(...all));
        const real = WebAssembly.instantiate as (...all: unknown[]) => Promise<unknown>;
        Object.assign(WebAssembly, { instantiate: (...all: unknown[]) => gate.then(() => real(...all)) });
        const later = window.setTimeout.bind(window); // what may wait for a frame waits longer, as on a slow machine
        Object.assign(window, { setTimeout: (run: () => void, ms = 0) => later(run, ms === 16 ? 500 : ms) });
    });
    await alice.goto(house.url);
    await alice.getByRole("navigation").getByText("only for the two of us").waitFor();
    assert.ok(await alice.getByRole("button", { name: "New chat" }).isDisabled(), "what cannot be done yet");
    await alice.getByRole("searchbox", { name: "Search" }).fill("bo");
    await openRoom(alice, "bob");
    const list = await alice.locator("[data-rooms]").elementHandle();
    await alice.getByRole("status").first().waitFor({ state: "attached" });
    assert.equal(await alice.getByRole("log").count(), 0);
    await alice.evaluate(() => (window as unknown as { openGate: () => void }).openGate());
    await message(alice, "only for the two of us").waitFor();
    assert.equal(await alice.getByRole("searchbox", { name: "Search" }).inputValue(), "bo");
    assert.ok(await list.evaluate((element) => element.isConnected), "the list was never gone");
    await write(alice, "and more");
    await message(bob, "and more").waitFor();
}));
