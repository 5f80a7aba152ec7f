import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { beginChat, House, keepRecoveryKey, message, openRoom, register, setUp, signIn, write } from "./house.ts";

let house: House;
before(async () => {
    house = await House.build();
});
after(() => house.close());

test("from the first start to the first encrypted message between two people, and back on a second device", () => house.tell(async () => {
    const alice = await house.page();
    const key = await setUp(house, alice, "alice", "a quiet morning");
    assert.match(key, /^(\w{4} ){11}\w{4}$/, "the recovery key");

    const bob = await house.page({ viewport: { width: 390, height: 844 }, locale: "en-GB" });
    await register(house, bob, "bob", "rain on the roof");

    await beginChat(alice, "bob");
    await write(alice, "Good morning, Bob");
    await message(alice, "Good morning, Bob").getByLabel("Sent").waitFor();

    await openRoom(bob, "alice");
    await bob.getByRole("button", { name: "Accept" }).click();
    await message(bob, "Good morning, Bob").waitFor();
    await message(alice, "Good morning, Bob").getByLabel("Read").waitFor();
    await write(bob, "Good morning to you");
    await message(alice, "Good morning to you").waitFor();

    // What the server was given is not what they have written.
    const events = await alice.evaluate(async () => {
        const { token } = JSON.parse(localStorage.getItem("freehold.account")!) as { token: string };
        const room = decodeURIComponent(location.pathname.split("/").at(-1)!);
        const response = await fetch(`/_matrix/client/v3/rooms/${encodeURIComponent(room)}/messages?dir=b&limit=50`, { headers: { Authorization: `Bearer ${token}` } });
        return response.text();
    });
    assert.match(events, /m\.room\.encrypted/);
    assert.doesNotMatch(events, /Good morning/);

    // A reload shows it again, and another device reads it once it has the recovery key.
    await alice.reload();
    await message(alice, "Good morning to you").waitFor();
    const second = await house.page();
    await signIn(house, second, "alice", "a quiet morning");
    await second.getByLabel("Recovery key").fill(key);
    await second.getByRole("button", { name: "Continue" }).click();
    await openRoom(second, "bob");
    await message(second, "Good morning, Bob").waitFor();
    await message(second, "Good morning to you").waitFor();
    await write(second, "From my other device");
    await message(bob, "From my other device").waitFor();
    await message(alice, "From my other device").waitFor();
}));

test("an account is used in one tab at a time", () => house.tell(async () => {
    const page = await house.page();
    await register(house, page, "carol", "a third password");
    const other = await page.context().newPage();
    await other.goto(house.url);
    await other.getByRole("button", { name: "Use it here" }).click();
    await other.getByRole("heading", { name: "Chats" }).waitFor();
    await page.getByRole("heading", { name: "Freehold is open in another tab" }).waitFor();
}));

test("who chose a name that is taken is left in its field", () => house.tell(async () => {
    const page = await house.page();
    await page.goto(`${house.url}/register`);
    const name = page.getByLabel("User name");
    await name.fill("alice");
    await page.getByRole("textbox", { name: "Password", exact: true }).fill("another password");
    await page.keyboard.press("Enter");
    await page.getByText("This name is taken already.").waitFor();
    await page.waitForFunction(() => document.activeElement?.getAttribute("autocomplete") === "username");
    assert.equal(await name.inputValue(), "alice");
    await page.keyboard.press("End");
    await page.keyboard.type("2");
    await page.keyboard.press("Enter");
    await keepRecoveryKey(page);
}));

test("after a reload the keys are those that there were", () => house.tell(async () => {
    const page = await house.page();
    await register(house, page, "dora", "a fourth password");
    const version = (): Promise<string> => page.evaluate(async () => {
        const { token } = JSON.parse(localStorage.getItem("freehold.account")!) as { token: string };
        const response = await fetch("/_matrix/client/v3/room_keys/version", { headers: { Authorization: `Bearer ${token}` } });
        return ((await response.json()) as { version: string }).version;
    });
    const before = await version();
    for (let i = 0; i < 3; i++) {
        await page.reload();
        await page.getByRole("heading", { name: "Chats" }).waitFor();
        await page.waitForTimeout(2000);
    }
    await page.getByRole("heading", { name: "Chats" }).waitFor();
    assert.equal(await version(), before);
}));
