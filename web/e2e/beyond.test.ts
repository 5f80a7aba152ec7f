import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Page } from "playwright-core";
import { faultsOfAccess } from "./access.ts";
import { address, beginChat, federated, House, message, openRoom, setUp, write } from "./house.ts";

const long = 120_000; // milliseconds in which servers have to find each other again, on any machine

let here: House;
let there: House;
let alice: Page;
let bob: Page;
let city: string; // the name of that server
before(async () => {
    here = await House.build(await federated());
    there = await House.build(await federated());
    await here.tell(() => there.tell(async () => {
        alice = await here.page();
        await setUp(here, alice, "alice", "a quiet morning");
        bob = await there.page();
        await setUp(there, bob, "bob", "rain on the roof");
        const other = await address(bob);
        city = other.slice(other.indexOf(":") + 1);
        await beginChat(alice, other);
        await write(alice, "Is the bridge open?");
        await openRoom(bob, "alice");
        await bob.getByRole("button", { name: "Accept" }).click();
        await message(bob, "Is the bridge open?").waitFor();
        await write(bob, "It is");
        await message(alice, "It is").waitFor();
    }));
});
after(async () => {
    await here.close();
    await there.close();
});

/** Nothing of a screen may stand in anybody's way, in the light or in the dark. */
async function accessible(page: Page): Promise<void> {
    for (const colorScheme of ["dark", "light"] as const) {
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        assert.deepEqual(await faultsOfAccess(page), [], colorScheme);
    }
}

test("who is not reached is named in the conversation, in a line and on a page, until the server is back", { timeout: 6 * long }, () => here.tell(() => there.tell(async () => {
    const said = `${city} has not answered since`;
    const inRoom = alice.getByRole("main").getByText(said);
    const inList = alice.getByRole("navigation").getByText(said);
    const row = alice.getByTestId("server").filter({ hasText: city });

    await alice.getByRole("button", { name: "Menu" }).click();
    await alice.getByRole("menuitem", { name: "Other servers" }).click();
    await row.getByText("Answers", { exact: true }).waitFor();
    assert.equal(await inList.count(), 0);
    await openRoom(alice, "bob");

    await there.stop();
    await write(alice, "Then I shall come by in the evening");
    await inRoom.waitFor({ timeout: long });
    assert.equal(await inList.count(), 0, "once is enough");
    await accessible(alice);
    await alice.getByRole("main").getByRole("button", { name: "Details" }).click();
    await inList.waitFor();
    await row.getByText(/^Has not answered since/).waitFor();
    await row.getByText(/^Waiting to be sent: /).waitFor({ timeout: long });
    await row.getByText(/^Last contact: /).waitFor();
    await accessible(alice);
    await alice.reload();
    await row.getByText(/^Has not answered since/).waitFor();

    await there.start();
    await row.getByText("Answers", { exact: true }).waitFor({ timeout: long });
    await inList.waitFor({ state: "detached" });
    await openRoom(alice, "bob");
    await message(bob, "Then I shall come by in the evening").waitFor({ timeout: long });
    assert.equal(await inRoom.count(), 0);
})));

test("a rehearsal is called one", { timeout: 3 * long }, () => here.tell(async () => {
    const drill = (path: string, body: object): Promise<number> => alice.evaluate(async ([path, body]) => {
        const { token } = JSON.parse(localStorage.getItem("freehold.account")!) as { token: string };
        const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
        return (await fetch(`/_freehold/admin/v1/drill${path}`, { method: "POST", headers, body: JSON.stringify(body) })).status;
    }, [path, body] as const);
    const line = alice.getByRole("navigation").getByText("A rehearsal: this server has kept itself cut off");
    assert.equal(await drill("", { seconds: 600, scope: "outside" }), 200);
    await line.waitFor({ timeout: long });
    await accessible(alice);
    await alice.getByRole("navigation").getByRole("button", { name: "Details" }).click();
    await alice.getByRole("heading", { name: /^Rehearsing a cut since/ }).waitFor();
    assert.equal(await drill("/stop", {}), 200);
    await line.waitFor({ state: "detached", timeout: long });
}));
