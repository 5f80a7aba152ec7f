import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { faultsOfAccess } from "./access.ts";
import { beginChat, House, message, register, setUp, write } from "./house.ts";

let here: House; // whose page is used
let there: House; // where the account is
before(async () => {
    here = await House.build();
    there = await House.build({ FREEHOLD_SERVER_NAME: "there.example" });
});
after(async () => {
    await here.close();
    await there.close();
});

test("an account of another server is used from this one's page", () => here.tell(async () => {
    const host = await here.page();
    await setUp(here, host, "alice", "a quiet morning");
    const bob = await there.page();
    const key = await setUp(there, bob, "bob", "rain on the roof");
    await register(there, await there.page(), "clara", "rain on the roof");

    const page = await here.page();
    await page.goto(here.url);
    await page.getByRole("link", { name: "My account is on another server" }).click();
    assert.deepEqual(await faultsOfAccess(page), []);
    await page.getByLabel("Server").fill("http://127.0.0.1:1");
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByText("There is no Matrix server that answers").waitFor();
    await page.getByLabel("Server").fill(there.url);
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByLabel("User name").fill("bob");
    await page.getByRole("textbox", { name: "Password", exact: true }).fill("rain on the roof");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByLabel("Recovery key").fill(key);
    await page.getByRole("button", { name: "Continue" }).click();
    await beginChat(page, "clara");
    await write(page, "From the page of another house");
    await message(page, "From the page of another house").getByLabel("Sent").waitFor();
    assert.match(new URL(page.url()).pathname, /^\/elsewhere\/room\//);

    // Whoever opens the server's own address is brought to where that account can be used.
    await page.goto(here.url);
    await page.waitForURL(`${here.url}/elsewhere/**`);
    await page.getByRole("heading", { name: "Chats" }).waitFor();

    const foreign = here.faults.splice(0);
    const others = foreign.filter((fault) => !fault.startsWith(`foreign request: ${there.url}/`) && !fault.includes("http://127.0.0.1:1/"));
    assert.deepEqual(others, [], "nobody else was asked");
    assert.ok(foreign.length > 0);
}));
