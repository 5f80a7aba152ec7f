import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { devices } from "playwright-core";
import type { BrowserContextOptions, Page } from "playwright-core";
import { faultsOfAccess } from "./access.ts";
import { House, message, openRoom, register, sealed, setUp, write } from "./house.ts";

let house: House;
let alice: Page;
let bob: Page;
before(async () => {
    house = await House.build();
    alice = await house.page();
    await setUp(house, alice, "alice", "a quiet morning");
    bob = await house.page({ ...devices["Pixel 7"], defaultBrowserType: undefined, locale: "en-GB" } as BrowserContextOptions);
    await register(house, bob, "bob", "rain on the roof");
    await alice.getByRole("button", { name: "New chat" }).first().click();
    await alice.getByRole("button", { name: "New group" }).click();
    await alice.getByLabel("Name of the group").fill("Garden");
    await alice.getByRole("textbox", { name: "Members" }).fill("bob");
    await alice.getByRole("button", { name: /@bob:/ }).click();
    await alice.getByRole("button", { name: "Make group" }).click();
    await write(alice, "The apple trees want cutting");
    await openRoom(bob, "Garden");
    await bob.getByRole("button", { name: "Accept" }).click();
    await message(bob, "The apple trees want cutting").waitFor();
});
after(() => house.close());

test("somebody is mentioned, and told so", () => house.tell(async () => {
    await bob.getByRole("button", { name: "Back to the list" }).click();
    const field = alice.getByRole("textbox", { name: "Write a message" });
    await field.pressSequentially("Can you help, @bo");
    await alice.getByRole("option", { name: /bob/ }).waitFor();
    assert.deepEqual(await faultsOfAccess(alice), []);
    await field.press("Enter");
    assert.equal(await field.inputValue(), "Can you help, @bob ");
    await field.press("Enter");
    await message(alice, "Can you help").getByRole("link", { name: "@bob" }).waitFor();
    await bob.getByRole("navigation").getByRole("link", { name: /Garden/ }).getByText("1 unread message").waitFor();
    await openRoom(bob, "Garden");
    await bob.getByText("New messages").waitFor();
    await message(bob, "Can you help").getByRole("link", { name: "@bob" }).waitFor();
    await message(alice, "Can you help").getByLabel("Read", { exact: true }).waitFor();
    await alice.getByRole("button", { name: "Read by bob" }).waitFor();
}));

test("on a phone a long touch opens what can be done", () => house.tell(async () => {
    const text = message(bob, "The apple trees want cutting").getByText("The apple trees");
    const { x, y } = (await text.boundingBox())!;
    const touch = await bob.context().newCDPSession(bob);
    await touch.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: [{ x: x + 20, y: y + 8 }] });
    await bob.getByRole("dialog").getByRole("button", { name: "Reply", exact: true }).waitFor();
    await touch.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
    assert.deepEqual(await faultsOfAccess(bob), []);
    await bob.getByRole("dialog").getByRole("button", { name: "❤️" }).click();
    await message(alice, "The apple trees want cutting").getByRole("button", { name: "❤️, 1. Add yours" }).waitFor();
}));

test("a poll: asked, answered, ended", () => house.tell(async () => {
    await alice.getByRole("button", { name: "Attach", exact: true }).click();
    await alice.getByRole("menuitem", { name: "Poll" }).click();
    await alice.getByLabel("Question").fill("When?");
    await alice.getByLabel("Answer 1").fill("Saturday");
    await alice.getByLabel("Answer 2").fill("Sunday");
    assert.deepEqual(await faultsOfAccess(alice), []);
    await alice.getByRole("button", { name: "Ask" }).click();
    const his = bob.getByRole("group", { name: "Poll: When?" });
    await his.getByRole("button", { name: /Saturday.*0 votes/ }).click();
    const hers = alice.getByRole("group", { name: "Poll: When?" });
    await hers.getByRole("button", { name: /Saturday.*1 vote/ }).waitFor();
    await his.getByRole("button", { name: /Sunday.*0 votes/ }).click();
    await hers.getByRole("button", { name: /Sunday.*1 vote/ }).waitFor();
    await hers.getByRole("button", { name: /Saturday.*0 votes/ }).waitFor();
    await hers.getByRole("button", { name: "End poll" }).click();
    await alice.getByRole("dialog").getByRole("button", { name: "End poll" }).click();
    await his.getByText("The poll has ended").waitFor();
    assert.equal(await his.getByRole("button", { name: /Sunday.*1 vote/ }).isDisabled(), true);
    assert.deepEqual(await faultsOfAccess(bob), []);
}));

test("a message is pinned, seen by all, and forwarded", () => house.tell(async () => {
    const act = async (action: string): Promise<void> => {
        await message(alice, "The apple trees want cutting").getByText("The apple trees").click({ button: "right" });
        await alice.getByRole("menuitem", { name: action, exact: true }).click();
    };
    await act("Pin");
    await bob.getByRole("button", { name: /^Pinned message/ }).getByText("The apple trees want cutting").waitFor();
    await alice.getByRole("button", { name: "All pinned messages" }).click();
    const panel = alice.getByRole("complementary", { name: "Pinned messages" });
    await panel.getByText("The apple trees want cutting").waitFor();
    assert.deepEqual(await faultsOfAccess(alice), []);
    await panel.getByRole("button", { name: "Unpin" }).click();
    await panel.getByText("Nothing is pinned.").waitFor();
    await panel.getByRole("button", { name: "Close" }).click();
    await act("Forward");
    await alice.getByRole("dialog").getByRole("button", { name: "Garden" }).click();
    await alice.getByRole("dialog").getByRole("button", { name: "Send", exact: true }).click();
    await bob.getByRole("article").filter({ hasText: "The apple trees want cutting" }).nth(1).waitFor();
}));

test("an encrypted message is found after a reload, and what lies in the browser does not tell it", () => house.tell(async () => {
    await write(alice, "The key to the shed is under the third pot");
    await message(bob, "under the third pot").waitFor();
    const stored = await sealed(alice, "freehold-search:", "under the third pot");
    assert.ok(stored.length > 100, "something is kept");
    assert.doesNotMatch(stored, /shed|pot/);

    await alice.reload();
    await openRoom(alice, "Garden");
    await alice.getByRole("button", { name: "Search messages" }).click();
    await alice.getByRole("searchbox", { name: "Search messages" }).fill("third POT");
    const panel = alice.getByRole("complementary", { name: "Search messages" });
    await panel.getByRole("button", { name: /The key to the shed/ }).waitFor();
    assert.deepEqual(await faultsOfAccess(alice), []);
    await alice.getByRole("button", { name: "All chats" }).click();
    await panel.getByRole("button", { name: /The key to the shed/ }).click();
    await alice.waitForFunction(() => document.activeElement?.textContent.includes("under the third pot"));

    await alice.getByRole("button", { name: "Today" }).first().click();
    assert.deepEqual(await faultsOfAccess(alice), []);
    await alice.getByRole("dialog").getByRole("button", { name: "Go" }).click();
    await alice.getByRole("dialog").waitFor({ state: "hidden" });
}));
