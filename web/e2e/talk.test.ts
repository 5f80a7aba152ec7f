import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Locator, Page } from "playwright-core";
import { faultsOfAccess } from "./access.ts";
import { beginChat, House, message, openRoom, register, setUp, write } from "./house.ts";

let house: House;
let alice: Page;
let bob: Page;
before(async () => {
    house = await House.build();
    alice = await house.page();
    await setUp(house, alice, "alice", "a quiet morning");
    bob = await house.page();
    await register(house, bob, "bob", "rain on the roof");
    await beginChat(alice, "bob");
    await write(alice, "Shall we plant tomatoes?");
    await openRoom(bob, "alice");
    await bob.getByRole("button", { name: "Accept" }).click();
    await message(bob, "Shall we plant tomatoes?").waitFor();
});
after(() => house.close());

const field = (page: Page): Locator => page.getByRole("textbox", { name: "Write a message" });

/** Does one of the things of a message's menu. */
async function act(page: Page, text: string, action: string): Promise<void> {
    await message(page, text).first().getByText(text).last().click({ button: "right" });
    await page.getByRole("menuitem", { name: action, exact: true }).click();
}

test("replies, edits, reactions and deletion", () => house.tell(async () => {
    await act(bob, "Shall we plant tomatoes?", "Reply");
    await bob.getByText("Reply to alice").waitFor();
    await write(bob, "Yes, **six** of them, and `basil`");
    const answer = message(alice, "six").first();
    await answer.getByTitle("Show the message that is answered").waitFor();
    assert.equal(await answer.locator("strong").textContent(), "six");
    assert.equal(await answer.locator("code").textContent(), "basil");
    await answer.getByTitle("Show the message that is answered").click();

    // The arrow up edits the last that was said; the others see the new text and that it was changed.
    await field(bob).press("ArrowUp");
    await bob.getByText("Editing your message").waitFor();
    assert.equal(await field(bob).inputValue(), "Yes, **six** of them, and `basil`");
    await write(bob, "Yes, eight of them");
    await message(alice, "Yes, eight of them").getByText("edited").waitFor();
    assert.equal(await alice.getByText("six").count(), 0);

    // A reaction is given from the menu, counted, and taken back.
    await message(alice, "Yes, eight of them").getByText("Yes, eight").click({ button: "right" });
    await alice.getByRole("menuitem", { name: "👍" }).click();
    await message(bob, "Yes, eight of them").getByRole("button", { name: "👍, 1. Add yours" }).click();
    await message(alice, "Yes, eight of them").getByRole("button", { name: "👍, 2. Take yours back" }).click();
    await message(bob, "Yes, eight of them").getByRole("button", { name: "👍, 1. Take yours back" }).waitFor();
    // And one of all the emoji, which are found by name.
    await message(alice, "Yes, eight of them").hover();
    await message(alice, "Yes, eight of them").getByRole("button", { name: "React", exact: true }).click();
    await alice.getByPlaceholder("Search emoji").fill("tomato");
    assert.deepEqual(await faultsOfAccess(alice), []);
    await alice.getByRole("button", { name: "tomato", exact: true }).click();
    await message(bob, "Yes, eight of them").getByRole("button", { name: "🍅, 1. Add yours" }).waitFor();

    await write(alice, "This is to be forgotten");
    await message(bob, "This is to be forgotten").waitFor();
    await act(alice, "This is to be forgotten", "Delete");
    assert.deepEqual(await faultsOfAccess(alice), []);
    await alice.getByRole("button", { name: "Delete" }).click();
    await message(bob, "Message deleted").waitFor();
    assert.equal(await bob.getByText("This is to be forgotten").count(), 0);
    assert.deepEqual(await faultsOfAccess(bob), []);
}));

test("a thread: begun, answered, counted, read", () => house.tell(async () => {
    await write(alice, "About the fence");
    await message(bob, "About the fence").waitFor();
    await act(bob, "About the fence", "Reply in thread");
    const thread = bob.getByRole("complementary", { name: "Thread" });
    const box = thread.getByRole("textbox", { name: "Reply in the thread" });
    await box.fill("It needs paint");
    await box.press("Enter");
    await thread.getByRole("article").filter({ hasText: "It needs paint" }).getByLabel("Sent").waitFor();
    await box.fill("Green, I think");
    await box.press("Enter");
    assert.equal(await bob.getByRole("log", { name: "Messages" }).getByRole("article").filter({ hasText: "Green" }).filter({ hasNotText: "About the fence" }).count(), 0, "not in the room");

    const line = message(alice, "About the fence").getByRole("button", { name: /2 replies/ });
    await line.getByText("2 new").waitFor();
    await line.click();
    const hers = alice.getByRole("complementary", { name: "Thread" });
    await hers.getByRole("article").filter({ hasText: "Green, I think" }).waitFor();
    await line.getByText("2 new").waitFor({ state: "hidden" });
    await thread.getByRole("article").filter({ hasText: "Green, I think" }).getByLabel("Read").waitFor();
    assert.deepEqual(await faultsOfAccess(alice), []);
    await alice.getByRole("button", { name: "Threads" }).click();
    await alice.getByRole("complementary", { name: "Threads" }).getByRole("button", { name: /About the fence/ }).waitFor();
    assert.deepEqual(await faultsOfAccess(alice), []);
    await alice.getByRole("button", { name: "Close" }).click();
    await bob.getByRole("button", { name: "Close" }).click();
}));

test("what others send is shown as the specification allows, and nothing else of it", () => house.tell(async () => {
    const send = (page: Page, html: string): Promise<void> => page.evaluate(async (html) => {
        const { token } = JSON.parse(localStorage.getItem("freehold.account")!) as { token: string };
        const made = await fetch("/_matrix/client/v3/createRoom", { method: "POST", headers: { Authorization: `Bearer ${token}` }, body: JSON.stringify({ name: "Open", preset: "private_chat" }) });
        const { room_id } = (await made.json()) as { room_id: string };
        await fetch(`/_matrix/client/v3/rooms/${encodeURIComponent(room_id)}/send/m.room.message/1`, {
            method: "PUT", headers: { Authorization: `Bearer ${token}` },
            body: JSON.stringify({ msgtype: "m.text", body: "fallback", format: "org.matrix.custom.html", formatted_body: html }),
        });
    }, html);
    await send(alice, [
        "<mx-reply>old reply</mx-reply><p onclick=\"window.bad=1\" style=\"position:fixed;inset:0\">first</p><script>window.bad=1</script><img src=x onerror=\"window.bad=1\">",
        "<span data-mx-color=\"#ff0000\">red</span> <a href=\"javascript:window.bad=1\">bad link</a> <a href=\"https://example.org/x\">good link</a>",
        "<span data-mx-spoiler=\"the end\">the gardener</span><pre><code class=\"language-js\">let a = 1 &lt; 2;\nlet b;</code></pre><iframe src=\"https://example.org\"></iframe><form><input></form>",
    ].join(""));
    await openRoom(alice, "Open");
    const shown = message(alice, "first");
    await shown.waitFor();
    assert.equal(await alice.evaluate(() => (globalThis as { bad?: number }).bad), undefined);
    assert.equal(await shown.locator("script, iframe, form, input, img").count(), 0);
    assert.equal(await shown.getByText("old reply").count(), 0);
    assert.equal(await shown.getByText("first").getAttribute("style"), null);
    assert.equal(await shown.getByText("red", { exact: true }).evaluate((element) => getComputedStyle(element).color), "rgb(255, 0, 0)");
    assert.equal(await shown.getByRole("link", { name: "bad link" }).count(), 0);
    assert.match((await shown.getByRole("link", { name: "good link" }).getAttribute("rel")) ?? "", /noopener/);
    assert.equal(await shown.getByText("the gardener").isVisible(), false);
    await shown.getByRole("button", { name: /Hidden text: the end/ }).click();
    await shown.getByText("the gardener").waitFor();
    assert.equal(await shown.locator("pre").textContent(), "let a = 1 < 2;\nlet b;");
    await openRoom(alice, "bob");
}));
