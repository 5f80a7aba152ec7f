import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Locator, Page } from "playwright-core";
import { faultsOfAccess } from "./access.ts";
import { beginChat, House, keepRecoveryKey, message, openRoom, setUp, signIn, until, write } from "./house.ts";

let house: House;
let alice: Page;
let bob: Page;
let clara: Page;
before(async () => {
    house = await House.build({ FREEHOLD_REGISTRATION: "token" });
});
after(() => house.close());

let broken = false;

/** One story follows from another: after one that fails the others are not told. */
async function story(tell: () => Promise<void>): Promise<void> {
    assert.ok(!broken, "a story before this one has failed");
    broken = true;
    await house.tell(tell);
    broken = false;
}

const button = (page: Page, name: string | RegExp) => page.getByRole("button", { name, exact: typeof name === "string" });
const panel = (page: Page, name: string) => page.getByRole("region", { name });
const list = (page: Page) => page.getByRole("navigation");

/** Nothing on the screen stands in anybody's way. */
async function accessible(page: Page): Promise<void> {
    assert.deepEqual(await faultsOfAccess(page), []);
}

/** Chooses what the server has to agree to first. */
async function choose(choice: Locator): Promise<void> {
    await choice.click();
    await until(choice.page(), async () => (await choice.isChecked()) && (await choice.isEnabled()));
}

/** An invitation link, made by the administrator. */
async function link(page: Page, uses: string): Promise<string> {
    await button(page, "New chat").first().click();
    await page.getByRole("dialog").getByRole("button", { name: "Invite people to this server" }).click();
    await page.getByLabel("It can be used").selectOption(uses);
    const field = page.getByRole("textbox", { name: "Invitation link" });
    const before = (await field.count()) > 0 ? await field.inputValue() : "";
    await button(page, "Make a link").click();
    await page.getByRole("img", { name: "QR code of the invitation link" }).waitFor();
    await until(page, async () => (await field.inputValue()) !== before);
    return field.inputValue();
}

async function join(url: string, name: string): Promise<Page> {
    const page = await house.page();
    await page.goto(url);
    await page.getByRole("heading", { name: "You are invited" }).waitFor();
    await page.getByLabel("User name").fill(name);
    await page.getByRole("textbox", { name: "Password", exact: true }).fill("rain on the roof");
    await button(page, "Create account").click();
    await keepRecoveryKey(page);
    return page;
}

async function make(page: Page, kind: "New group" | "New channel" | "New space", name: string, act: string, more?: () => Promise<void>): Promise<void> {
    await button(page, "New chat").first().click();
    await page.getByRole("dialog").getByRole("button", { name: kind }).click();
    await page.getByRole("textbox", { name: kind === "New group" ? "Name of the group" : "Name", exact: true }).fill(name);
    await more?.();
    await button(page, act).click();
    await page.getByRole("heading", { name }).first().waitFor();
}

const invited = async (page: Page, name: string): Promise<void> => {
    await page.getByRole("textbox", { name: "Members" }).fill(name);
    await button(page, new RegExp(`@${name}:`)).click();
};

test("new members come by links with limits", () => story(async () => {
    alice = await house.page();
    await setUp(house, alice, "alice", "a quiet morning");
    const many = await link(alice, "five");
    assert.match(many, /\/join#token=\w+$/);
    await accessible(alice);
    bob = await join(many, "bob");
    clara = await join(many, "clara");

    // One that is used up says so, and lets nobody in.
    const once = await link(alice, "once");
    const dora = await join(once, "dora");
    const late = await house.page();
    await late.goto(once);
    await late.getByText("This invitation cannot be used any more").waitFor();
    await late.context().close();

    // Who is no administrator is told who can invite.
    await button(dora, "Invite people to this server").click();
    await dora.getByText("New accounts on this server are made by invitation of its administrators").waitFor();
    assert.match(await dora.getByLabel("Link to you").inputValue(), /\/#\/user\/%40dora%3Ahouse\.example$/);
    await dora.context().close();
}));

test("a group with roles: a moderator removes and bans, and who was banned is told why", () => story(async () => {
    await make(alice, "New group", "Garden", "Make group", async () => {
        await invited(alice, "bob");
        await invited(alice, "clara");
    });
    for (const page of [bob, clara]) {
        await openRoom(page, "Garden");
        await button(page, "Accept").click();
    }
    await write(clara, "I take all the apples");
    await message(alice, "I take all the apples").waitFor();

    await button(alice, "About and settings").click();
    await panel(alice, "About").getByRole("button", { name: /^Members/ }).click();
    await panel(alice, "Members").getByRole("link", { name: /bob/ }).click();
    await panel(alice, "Profile").getByLabel("Role").selectOption("50");
    await accessible(alice);

    await button(bob, "About and settings").click();
    await panel(bob, "About").getByRole("button", { name: /^Members/ }).click();
    await panel(bob, "Members").getByRole("link", { name: /bob.*Moderator/s }).waitFor();
    await panel(bob, "Members").getByRole("link", { name: /clara/ }).click();
    await button(bob, "Remove from here").click();
    await bob.getByRole("dialog").getByLabel(/^Reason/).fill("the apples are for all");
    await bob.getByRole("dialog").getByRole("button", { name: "Remove from here" }).click();
    await clara.getByText("bob has removed you from here.").waitFor();
    await clara.getByText("the apples are for all").waitFor();

    // Bob may not touch Alice.
    await bob.goto(bob.url().replace(/member\/.*/, `member/${encodeURIComponent("@alice:house.example")}`));
    await panel(bob, "Profile").getByText("Founder").waitFor();
    assert.equal(await button(bob, "Ban").count(), 0);

    // Invited again, banned, and the ban lifted.
    await bob.goto(bob.url().replace(/member\/.*/, "invite"));
    await panel(bob, "Invite").getByLabel("Name or address").fill("clara");
    await button(bob, "Invite clara").click();
    await button(bob, "clara: Invited").waitFor();
    await openRoom(clara, "Garden");
    await button(clara, "Accept").click();
    await clara.getByRole("textbox", { name: "Write a message" }).waitFor();
    await button(bob, "Back").click();
    await panel(bob, "About").getByRole("button", { name: /^Members/ }).click();
    await panel(bob, "Members").getByRole("link", { name: /clara/ }).click();
    await button(bob, "Ban").click();
    await bob.getByRole("dialog").getByRole("button", { name: "Ban" }).click();
    await clara.getByText("bob has banned you from here.").waitFor();
    await button(bob, "Lift the ban").click();
    await button(bob, "Lift the ban").waitFor({ state: "hidden" });
}));

test("in a channel only those with a role write", () => story(async () => {
    await make(alice, "New channel", "Notices", "Make channel", () => invited(alice, "bob"));
    await write(alice, "The well is open again");
    await openRoom(bob, "Notices");
    await button(bob, "Accept").click();
    await message(bob, "The well is open again").waitFor();
    await bob.getByText("Only some may write here.").waitFor();
    assert.equal(await bob.getByRole("textbox", { name: "Write a message" }).count(), 0);

    // A moderator may.
    await button(alice, "About and settings").click();
    await panel(alice, "About").getByRole("button", { name: /^Members/ }).click();
    await panel(alice, "Members").getByRole("link", { name: /bob/ }).click();
    await panel(alice, "Profile").getByLabel("Role").selectOption("50");
    await write(bob, "And so is the bridge");
    await message(alice, "And so is the bridge").waitFor();
}));

test("a space gathers groups; its members come in without being invited", () => story(async () => {
    await make(alice, "New space", "Elm Street", "Make space", () => invited(alice, "clara"));
    await alice.getByText("There is nothing in this space yet.").waitFor();
    await button(alice, "New group here").click();
    await alice.getByRole("textbox", { name: "Name of the group" }).fill("Neighbours");
    await button(alice, "Make group").click();
    await write(alice, "Welcome");
    await list(alice).getByRole("radio", { name: /Elm Street/ }).click();
    await list(alice).getByRole("link", { name: "All of “Elm Street”" }).click();
    await button(alice, "Add existing").click();
    await alice.getByRole("dialog").getByRole("switch", { name: "Notices" }).check();
    await button(alice, "Add 1").click();
    await alice.getByRole("main").getByRole("link", { name: /Notices/ }).waitFor();
    await button(alice, "What to do with Neighbours").click();
    await alice.getByRole("menuitem", { name: "Suggest to new members" }).click();
    await alice.getByText("Suggested").waitFor();
    await accessible(alice);

    await openRoom(clara, "Elm Street");
    await clara.getByRole("heading", { name: "alice invites you into the space “Elm Street”" }).waitFor();
    await button(clara, "Accept").click();
    await button(clara, "Join the 1 suggested").click();
    await button(clara, "Open: Neighbours").click();
    await clara.getByRole("textbox", { name: "Write a message" }).waitFor();
    await write(clara, "Thank you");
    await message(alice, "Thank you").waitFor({ state: "detached" });
    await openRoom(alice, "Neighbours");
    await message(alice, "Thank you").waitFor();
    await list(alice).getByRole("radio", { name: "All" }).click();
}));

test("who asks to join is let in, by the public directory and by a link", () => story(async () => {
    await make(alice, "New group", "Orchard", "Make group", () => alice.getByRole("radio", { name: "Who is invited, others may ask" }).check());
    await button(alice, "About and settings").click();
    await panel(alice, "About").getByRole("button", { name: "Settings" }).click();
    await panel(alice, "Settings").getByLabel("New address").fill("The Orchard");
    await button(alice, "Add").click();
    await panel(alice, "Settings").getByText("#the-orchard:house.example").waitFor();
    await choose(panel(alice, "Settings").getByRole("switch", { name: "Show in the public directory" }));
    await accessible(alice);

    await button(clara, "New chat").first().click();
    await clara.getByRole("dialog").getByRole("button", { name: "Find groups and channels" }).click();
    await clara.getByRole("main").getByText("Orchard", { exact: true }).waitFor();
    await accessible(clara);
    await button(clara, "Ask to join: Orchard").click();
    await clara.getByLabel("A few words to those who decide").fill("I know how to prune");
    await button(clara, "Ask to join").click();
    await clara.getByText("You have asked to join. You will be let in").waitFor();

    await button(alice, /1 person asks to join/).click();
    await panel(alice, "About").getByText("“I know how to prune”").waitFor();
    await button(alice, "Let in").click();
    await button(clara, "Accept").click();
    await write(clara, "Here I am");
    await message(alice, "Here I am").waitFor();

    // Bob comes by the link, and is refused.
    await panel(alice, "About").getByRole("button", { name: "Link and QR code" }).click();
    await alice.getByRole("img", { name: "QR code of the link" }).waitFor();
    const url = await panel(alice, "Link and QR code").getByLabel("Link", { exact: true }).inputValue();
    assert.match(url, /\/#\/room\/%23the-orchard%3Ahouse\.example$/);
    await bob.goto(url);
    await button(bob, "Ask to join").click();
    await bob.getByRole("dialog").getByRole("button", { name: "Ask to join" }).click();
    await bob.getByText("You have asked to join. You will be let in").waitFor();
    await button(alice, /1 person asks to join/).click();
    await button(alice, "Refuse").click();
    await bob.getByText("alice has removed you from here.").waitFor();
}));

test("what is set of a room is there after a reload, for all", () => story(async () => {
    await make(alice, "New group", "Attic", "Make group", () => invited(alice, "bob"));
    await openRoom(bob, "Attic");
    await button(bob, "Accept").click();
    await button(alice, "About and settings").click();
    await panel(alice, "About").getByRole("button", { name: "Settings" }).click();
    const settings = panel(alice, "Settings");
    await settings.getByLabel("Name", { exact: true }).fill("Loft");
    await settings.getByLabel("Description").fill("Boxes, and who owns them");
    await button(alice, "Save").click();
    await button(alice, "Saved").waitFor();
    await settings.locator("input[type=file]").setInputFiles({ name: "a.png", mimeType: "image/png", buffer: Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAEAAAAAwCAIAAAAuKetIAAAAZElEQVR4nO3PUQkAIBTAwBfHOMYxviH8OITBAtxmnf11wwUNaEEDWtCAFjSgBQ1oQQNa0IAWNKAFDWhBA1rQgBY0oAUNaEEDWtCAFjSgBQ1oQQNa0IAWNKAFDWhBA1rQgBY8dgEyGECmEm457AAAAABJRU5ErkJggg==", "base64") });
    await settings.locator("img").waitFor({ state: "attached" });
    await choose(settings.getByRole("radio", { name: "Members of a space", exact: true }));
    await choose(settings.getByRole("switch", { name: "Elm Street" }));
    await choose(settings.getByRole("radio", { name: "Members, from when they joined" }));
    await settings.getByRole("button", { name: "Roles and permissions" }).click();
    await panel(alice, "Permissions").getByLabel("Invite people").selectOption("50");
    await accessible(alice);

    await alice.reload();
    await panel(alice, "Permissions").getByLabel("Invite people").waitFor();
    assert.equal(await panel(alice, "Permissions").getByLabel("Invite people").inputValue(), "50");
    await button(alice, "Back").click();
    assert.equal(await settings.getByLabel("Name", { exact: true }).inputValue(), "Loft");
    assert.equal(await settings.getByLabel("Description").inputValue(), "Boxes, and who owns them");
    assert.ok(await settings.getByRole("radio", { name: "Members of a space", exact: true }).isChecked());
    assert.ok(await settings.getByRole("switch", { name: "Elm Street" }).isChecked());
    assert.ok(await settings.getByRole("radio", { name: "Members, from when they joined" }).isChecked());

    await bob.getByRole("heading", { name: "Loft" }).waitFor();
    await button(bob, "About and settings").click();
    await panel(bob, "About").getByText("Boxes, and who owns them").waitFor();
    assert.equal(await panel(bob, "About").getByRole("button", { name: "Invite" }).count(), 0, "only moderators invite");
    await panel(bob, "About").getByRole("button", { name: "Settings" }).click();
    await bob.getByText("You can look at these settings.").waitFor();
}));

test("the list is gone through by keyboard; a conversation is pinned, muted, archived and found again", () => story(async () => {
    await alice.goto(house.url);
    await list(alice).getByRole("link", { name: /Loft/ }).focus();
    await alice.keyboard.press("Home");
    await alice.keyboard.press("ArrowDown");
    const second = await alice.evaluate(() => document.activeElement?.getAttribute("href"));
    assert.equal(second, await list(alice).getByRole("link").nth(1).getAttribute("href"));
    await alice.keyboard.press("Enter");
    await alice.getByRole("textbox", { name: "Write a message" }).waitFor();

    const put = async (room: RegExp, item: string): Promise<void> => {
        await list(alice).getByRole("link", { name: room }).click({ button: "right" });
        await alice.getByRole("menuitem", { name: item }).click();
    };
    await put(/Garden/, "Pin");
    await list(alice).getByRole("link").first().filter({ hasText: "Garden" }).waitFor();
    await put(/Garden/, "Mute");
    await list(alice).getByRole("link", { name: /Garden/ }).getByRole("img", { name: "Muted" }).waitFor();
    await put(/Loft/, "Archive");
    await list(alice).getByRole("link", { name: /Loft/ }).waitFor({ state: "detached" });
    await alice.reload();
    await list(alice).getByRole("link").first().filter({ hasText: "Garden" }).waitFor();
    await list(alice).getByRole("link", { name: /Loft/ }).waitFor({ state: "detached" }); // the list that is shown at first may be of a moment before
    await list(alice).getByRole("radio", { name: "Archive" }).click();
    await list(alice).getByRole("link", { name: /Loft/ }).waitFor();
    await list(alice).getByRole("radio", { name: "All" }).click();

    // Drafts are kept, each with its conversation.
    await openRoom(alice, "Garden");
    await alice.getByRole("textbox", { name: "Write a message" }).fill("half a thought");
    await openRoom(alice, "Orchard");
    await list(alice).getByRole("link", { name: /Garden.*half a thought/s }).waitFor();
    await alice.getByRole("searchbox", { name: "Search chats" }).fill("lof");
    await list(alice).getByRole("link", { name: /Loft/ }).waitFor();
    await alice.getByRole("searchbox", { name: "Search chats" }).fill("");
}));

test("an upgraded room leads on, and back", () => story(async () => {
    const room = await alice.evaluate(async () => {
        const { token } = JSON.parse(localStorage.getItem("freehold.account")!) as { token: string };
        const body = JSON.stringify({ name: "Cellar", room_version: "10", preset: "private_chat", invite: ["@bob:house.example"] });
        const response = await fetch("/_matrix/client/v3/createRoom", { method: "POST", body, headers: { Authorization: `Bearer ${token}` } });
        return ((await response.json()) as { room_id: string }).room_id;
    });
    await openRoom(bob, "Cellar");
    await button(bob, "Accept").click();
    await bob.getByRole("textbox", { name: "Write a message" }).waitFor();
    await alice.goto(`${house.url}/room/${encodeURIComponent(room)}/settings`);
    await button(alice, "Upgrade this room?").click();
    await button(alice, "Upgrade").click();
    await alice.waitForURL((url) => !url.pathname.includes(encodeURIComponent(room)));
    await bob.getByText("This conversation goes on in a new one.").waitFor();
    await button(bob, "Go on there").click();
    await bob.getByRole("textbox", { name: "Write a message" }).waitFor();
    await button(bob, "About and settings").click();
    await bob.getByText("Older messages are in the conversation before this one").waitFor();
}));

test("an unwanted invitation is declined and its sender blocked; a room is left", () => story(async () => {
    const spam = await house.page();
    await alice.goto(house.url);
    await spam.goto(await link(alice, "once"));
    await spam.getByLabel("User name").fill("mallory");
    await spam.getByRole("textbox", { name: "Password", exact: true }).fill("rain on the roof");
    await button(spam, "Create account").click();
    await keepRecoveryKey(spam);
    await beginChat(spam, "bob");
    await openRoom(bob, "mallory");
    await button(bob, /Decline and block mallory/).click();
    await button(bob, "Block").click();
    await list(bob).getByRole("link", { name: /mallory/ }).waitFor({ state: "detached" });
    await make(spam, "New group", "Buy now", "Make group", () => invited(spam, "bob"));
    await bob.waitForTimeout(1500);
    assert.equal(await list(bob).getByRole("link", { name: /Buy now/ }).count(), 0);

    await openRoom(bob, "Loft");
    await button(bob, "About and settings").click();
    await button(bob, "Leave the group").click();
    await bob.getByRole("switch", { name: "Also remove its messages from my account" }).check();
    await button(bob, "Leave").click();
    await list(bob).getByRole("link", { name: /Loft/ }).waitFor({ state: "detached" });

    const phone = await house.page({ viewport: { width: 390, height: 844 } });
    await signIn(house, phone, "bob", "rain on the roof");
    await button(phone, "Not now").click();
    await openRoom(phone, "Notices");
    await button(phone, "About and settings").click();
    await panel(phone, "About").getByRole("heading", { name: "Notices" }).waitFor();
    await accessible(phone);
    await button(phone, "Close").click();
    await button(phone, "Back to the list").click();
    await list(phone).getByRole("link", { name: /Notices/ }).waitFor();

    await phone.reload(); // who has said "not now" is not asked again at once
    await phone.getByRole("button", { name: "Enter recovery key" }).waitFor();
    await list(phone).getByRole("link", { name: /Notices/ }).waitFor();
}));

