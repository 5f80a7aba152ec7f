import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { address, beginChat, federated, House, message, openRoom, setUp, write } from "./house.ts";

let here: House;
let there: House;

before(async () => {
    here = await House.build(await federated());
    there = await House.build(await federated());
});
after(async () => {
    await here.close();
    await there.close();
});

test("two people of two servers talk, encrypted; one comes into a public group of the other's", () => here.tell(() => there.tell(async () => {
    const alice = await here.page();
    await setUp(here, alice, "alice", "a quiet morning");
    const bob = await there.page();
    await setUp(there, bob, "bob", "rain on the roof");
    const other = await address(bob);

    await beginChat(alice, other);
    await write(alice, "Good evening across the valley");
    await openRoom(bob, "alice");
    await bob.getByRole("button", { name: "Accept" }).click();
    await message(bob, "Good evening across the valley").waitFor();
    await write(bob, "Good evening to you");
    await message(alice, "Good evening to you").waitFor();
    const room = decodeURIComponent(new URL(bob.url()).pathname.split("/")[2]!);
    const events = await bob.evaluate(async (room) => {
        const { token } = JSON.parse(localStorage.getItem("freehold.account")!) as { token: string };
        return (await fetch(`/_matrix/client/v3/rooms/${encodeURIComponent(room)}/messages?dir=b&limit=50`, { headers: { Authorization: `Bearer ${token}` } })).text();
    }, room);
    assert.match(events, /m\.room\.encrypted/);
    assert.doesNotMatch(events, /Good evening/);

    // A public group of that server: found in its directory, and joined from here.
    await bob.getByRole("button", { name: "New chat" }).first().click();
    await bob.getByRole("button", { name: "New group" }).click();
    await bob.getByRole("textbox", { name: "Name of the group" }).fill("Market square");
    await bob.getByRole("radio", { name: "Anybody, it is listed publicly" }).check();
    await bob.getByRole("button", { name: "Make group" }).click();
    await write(bob, "Fresh bread at nine");
    await alice.getByRole("button", { name: "New chat" }).first().click();
    await alice.getByRole("button", { name: "Find groups and channels" }).click();
    await alice.getByLabel("Whose directory").selectOption("Another server…");
    await alice.getByLabel("Name of the server").fill(other.slice(other.indexOf(":") + 1));
    await alice.getByRole("button", { name: "Show", exact: true }).click();
    await alice.getByRole("button", { name: "Join: Market square" }).click();
    await message(alice, "Fresh bread at nine").waitFor();
    await write(alice, "Two loaves, please");
    await message(bob, "Two loaves, please").waitFor();
})));
