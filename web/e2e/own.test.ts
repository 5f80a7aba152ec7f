import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import type { Page } from "playwright-core";
import { faultsOfAccess } from "./access.ts";
import { beginChat, House, message, openRoom, register, setUp, signIn, write } from "./house.ts";

const password = "a quiet morning";
let house: House;
let alice: Page;
let key: string; // alice's recovery key

before(async () => {
    house = await House.build();
});
after(() => house.close());

const settings = async (page: Page, section: string): Promise<void> => {
    if (!new URL(page.url()).pathname.startsWith("/settings")) {
        await page.getByRole("button", { name: "Menu" }).click();
        await page.getByRole("menuitem", { name: "Settings" }).click();
    }
    await page.getByRole("navigation").getByRole("link", { name: section }).click();
};

const back = (page: Page): Promise<void> => page.getByRole("button", { name: "Back to the chats" }).click();

const emojiOf = (page: Page): Promise<string[]> => page.getByTestId("emoji").getByRole("listitem").allInnerTexts();

/** Both compare emoji, and find them the same. */
async function compare(one: Page, other: Page): Promise<void> {
    await one.getByRole("button", { name: "Compare emoji" }).click();
    await other.getByTestId("emoji").waitFor();
    await one.getByTestId("emoji").waitFor();
    const shown = await emojiOf(one);
    assert.equal(shown.length, 7);
    assert.deepEqual(shown, await emojiOf(other));
    assert.deepEqual(await faultsOfAccess(one), []);
    for (const page of [one, other]) await page.getByRole("button", { name: "They are the same" }).click();
    for (const page of [one, other]) {
        await page.getByText("Verified.").waitFor();
        await page.getByRole("button", { name: "Good" }).click();
    }
}

test("a second device is verified by emoji, and reads what was written before", () => house.tell(async () => {
    alice = await house.page();
    key = await setUp(house, alice, "alice", password);
    const bob = await house.page();
    await register(house, bob, "bob", "rain on the roof");
    await beginChat(alice, "bob");
    await write(alice, "The ladder is behind the shed");
    await message(alice, "The ladder is behind the shed").getByLabel("Sent").waitFor();
    await openRoom(bob, "alice");
    await bob.getByRole("button", { name: "Accept" }).click();
    await message(bob, "The ladder is behind the shed").waitFor();

    const second = await house.page();
    await signIn(house, second, "alice", password);
    await second.getByRole("button", { name: "Use another device" }).click();
    await alice.getByRole("dialog", { name: "Verify a device" }).getByRole("button", { name: "Begin" }).click();
    await compare(alice, second);
    await openRoom(second, "bob");
    await message(second, "The ladder is behind the shed").waitFor();
    await second.context().close();
}));

test("a code on one screen is scanned by the camera of the other", () => house.tell(async () => {
    const second = await house.page();
    // Its camera sees what is put before it.
    await second.addInitScript(() => {
        const canvas = document.createElement("canvas");
        canvas.width = canvas.height = 480;
        const context = canvas.getContext("2d")!;
        context.fillRect(0, 0, 480, 480);
        const stream = canvas.captureStream(10);
        Object.assign(globalThis, {
            putBeforeCamera: async (picture: string) => {
                const image = new Image();
                image.src = picture;
                await image.decode();
                setInterval(() => context.drawImage(image, 0, 0, 480, 480), 100);
            },
        });
        navigator.mediaDevices.getUserMedia = () => Promise.resolve(stream);
    });
    await signIn(house, second, "alice", password);
    await second.getByRole("button", { name: "Use another device" }).click();
    await alice.getByRole("dialog", { name: "Verify a device" }).getByRole("button", { name: "Begin" }).click();
    const code = alice.getByRole("img", { name: "QR code for the verification" });
    await code.waitFor();
    const picture = await code.screenshot();
    await second.getByRole("button", { name: "Scan the other device’s code" }).click();
    await second.evaluate((data) => (globalThis as unknown as { putBeforeCamera: (picture: string) => Promise<void> }).putBeforeCamera(data), `data:image/png;base64,${picture.toString("base64")}`);
    await alice.getByRole("button", { name: "Yes" }).click();
    for (const page of [alice, second]) await page.getByRole("button", { name: "Good" }).click();
    await openRoom(second, "bob");
    await message(second, "The ladder is behind the shed").waitFor();
    await second.context().close();
}));

test("a new recovery key brings the messages back, and the old one no longer does", () => house.tell(async () => {
    await settings(alice, "Security and keys");
    assert.deepEqual(await faultsOfAccess(alice), []);
    await alice.getByRole("button", { name: "Make a new recovery key" }).click();
    await alice.getByRole("dialog").getByRole("button", { name: "Make a new recovery key" }).click();
    const fresh = ((await alice.getByTestId("recovery-key").textContent()) ?? "").trim().replace(/\s+/g, " ");
    assert.notEqual(fresh, key);
    await alice.getByRole("button", { name: "I have kept it" }).click();

    const second = await house.page();
    await signIn(house, second, "alice", password);
    await second.getByLabel("Recovery key").fill(key);
    await second.getByRole("button", { name: "Continue" }).click();
    await second.getByText("This is not the recovery key").waitFor();
    await second.getByLabel("Recovery key").fill(fresh);
    await second.getByRole("button", { name: "Continue" }).click();
    await openRoom(second, "bob");
    await message(second, "The ladder is behind the shed").waitFor();
    await second.context().close();
    key = fresh;
}));

test("another device is named and signed out, once the password was right", () => house.tell(async () => {
    const second = await house.page();
    await signIn(house, second, "alice", password);
    await second.getByRole("button", { name: "Not now" }).click();
    await settings(alice, "Devices");
    const row = alice.getByTestId("device").filter({ hasText: "Not verified" });
    await row.waitFor();
    assert.deepEqual(await faultsOfAccess(alice), []);
    await row.getByRole("button", { name: /What can be done/ }).click();
    await alice.getByRole("menuitem", { name: "Rename" }).click();
    await alice.getByLabel("Name of the device").fill("The old laptop");
    await alice.getByRole("button", { name: "Save" }).click();
    const named = alice.getByTestId("device").filter({ hasText: "The old laptop" });
    await named.getByRole("button", { name: /What can be done/ }).click();
    await alice.getByRole("menuitem", { name: "Sign out" }).click();
    await alice.getByRole("dialog").getByRole("button", { name: "Sign out" }).click();
    await alice.getByLabel("Your password").fill("not the password");
    await alice.getByRole("button", { name: "Confirm" }).click();
    await alice.getByText("This is not your password.").waitFor();
    await alice.getByLabel("Your password").fill(password);
    await alice.getByRole("button", { name: "Confirm" }).click();
    await named.waitFor({ state: "detached" });
    await second.getByRole("heading", { name: "You have been signed out" }).waitFor();
    await second.context().close();
}));

test("settings are what they were after a reload", () => house.tell(async () => {
    await settings(alice, "Appearance");
    for (const name of ["Dark", "Very large", "Compact"]) await alice.getByRole("radio", { name }).check();
    await settings(alice, "Privacy");
    await alice.getByRole("switch", { name: "Show that I am typing" }).uncheck();
    await settings(alice, "Notifications");
    await alice.getByRole("group", { name: "Groups" }).getByRole("radio", { name: "Only when I am mentioned" }).check();
    await alice.getByLabel("New keyword").fill("ladder");
    await alice.getByRole("button", { name: "Add" }).click();
    await alice.getByRole("button", { name: "Remove “ladder”" }).waitFor();
    await settings(alice, "Profile");
    await alice.getByLabel("Name").fill("Alice of Elm Street");
    await alice.getByRole("button", { name: "Save" }).click();
    await alice.reload();
    await alice.getByLabel("Name").and(alice.locator("[value='Alice of Elm Street']")).waitFor();
    const marks = await alice.evaluate(() => ({ ...(document.documentElement.dataset as Record<string, string>) }));
    assert.deepEqual(marks, { theme: "dark", text: "larger", density: "compact" });
    await settings(alice, "Privacy");
    assert.equal(await alice.getByRole("switch", { name: "Show that I am typing" }).isChecked(), false);
    assert.equal(await alice.getByRole("switch", { name: "Show that I have read messages" }).isChecked(), true);
    await settings(alice, "Notifications");
    assert.ok(await alice.getByRole("group", { name: "Groups" }).getByRole("radio", { name: "Only when I am mentioned" }).isChecked());
    await alice.getByRole("button", { name: "Remove “ladder”" }).waitFor();
    await settings(alice, "Appearance");
    for (const name of ["As the system", "Normal", "Roomy"]) await alice.getByRole("radio", { name }).check();
}));

test("keys go in a file to a device that has nothing else", () => house.tell(async () => {
    await settings(alice, "Security and keys");
    await alice.getByRole("button", { name: "Save keys to a file" }).click();
    await alice.getByLabel("Passphrase", { exact: true }).fill("many small lanterns");
    await alice.getByLabel("Passphrase again").fill("many small lanterns");
    const coming = alice.waitForEvent("download");
    await alice.getByRole("button", { name: "Save", exact: true }).click();
    const path = await (await coming).path();
    assert.match(readFileSync(path, "utf8"), /^-----BEGIN MEGOLM SESSION DATA-----\n/);

    const second = await house.page();
    await signIn(house, second, "alice", password);
    await second.getByRole("button", { name: "Not now" }).click();
    await settings(second, "Security and keys");
    await second.getByRole("button", { name: "Read keys from a file" }).click();
    await second.getByLabel("File", { exact: true }).setInputFiles(path);
    await second.getByLabel("Passphrase", { exact: true }).fill("not this one");
    await second.getByRole("button", { name: "Read", exact: true }).click();
    await second.getByText("This is not the passphrase").waitFor();
    await second.getByLabel("Passphrase", { exact: true }).fill("many small lanterns");
    await second.getByRole("button", { name: "Read", exact: true }).click();
    await second.getByText(/keys? (was|were) in the file/).waitFor();
    await second.getByRole("dialog").getByRole("button", { name: "Close" }).last().click();
    await back(second);
    await openRoom(second, "bob");
    await message(second, "The ladder is behind the shed").waitFor();
    await second.context().close();
}));

test("what is one's own is taken along in a file", () => house.tell(async () => {
    await settings(alice, "Your data");
    await alice.getByRole("button", { name: "Choose all" }).click();
    const coming = alice.waitForEvent("download");
    await alice.getByRole("button", { name: "Save as a ZIP file" }).click();
    const file = readFileSync(await (await coming).path());
    assert.equal(file.subarray(0, 2).toString(), "PK");
    const { unzipSync } = await import("fflate");
    const parts = unzipSync(new Uint8Array(file));
    const text = (name: string): string => new TextDecoder().decode(parts[name]);
    assert.equal((JSON.parse(text("profile.json")) as { user_id: string }).user_id, "@alice:house.example");
    assert.match(text("rooms/bob/messages.html"), /The ladder is behind the shed/);
    assert.match(text("rooms/bob/events.json"), /The ladder is behind the shed/);
}));

test("the password is changed, and the account ended", () => house.tell(async () => {
    const dora = await house.page();
    await register(house, dora, "dora", "the first password");
    await settings(dora, "Security and keys");
    await dora.getByRole("button", { name: "Change password" }).click();
    await dora.getByLabel("Present password").fill("the first password");
    await dora.getByLabel("New password").fill("the second password");
    await dora.getByRole("button", { name: "Change password" }).click();
    await dora.getByText("The password has been changed.").waitFor();
    await dora.getByRole("button", { name: "Delete my account" }).click();
    await dora.getByRole("dialog").getByRole("button", { name: "Delete my account" }).click();
    await dora.getByLabel("Your password").fill("the second password");
    await dora.getByRole("button", { name: "Confirm" }).click();
    await dora.getByRole("heading", { name: "Welcome back" }).waitFor();
    await dora.getByLabel("User name").fill("dora");
    await dora.getByRole("textbox", { name: "Password", exact: true }).fill("the second password");
    await dora.getByRole("button", { name: "Sign in" }).click();
    await dora.getByRole("alert").first().waitFor();
}));
