// Pictures of groups, channels, spaces and directories. Part of `npm run shots`; alone: node e2e/roomShots.ts.

import type { Page } from "playwright-core";
import { message, openRoom, register, setUp, signIn, write } from "./house.ts";
import { jpeg } from "./pictures.ts";
import { phoneForm, takePictures } from "./shoot.ts";

const button = (page: Page, name: string | RegExp) => page.getByRole("button", { name, exact: typeof name === "string" });
const panel = (page: Page, name: string) => page.getByRole("region", { name });

async function make(page: Page, kind: "New group" | "New channel" | "New space", name: string, act: string, people: string[], more?: () => Promise<void>): Promise<void> {
    await button(page, "New chat").first().click();
    await page.getByRole("dialog").getByRole("button", { name: kind }).click();
    await page.getByRole("textbox", { name: kind === "New group" ? "Name of the group" : "Name", exact: true }).fill(name);
    for (const person of people) {
        await page.getByRole("textbox", { name: "Members" }).fill(person);
        await button(page, new RegExp(`@${person}:`)).click();
    }
    await more?.();
    await button(page, act).click();
    await page.getByRole("heading", { name }).first().waitFor();
}

await takePictures("rooms", async (house, shoot) => {
    const alice = await house.page();
    await setUp(house, alice, "alice", "a quiet morning");
    const bob = await house.page();
    await register(house, bob, "bob", "rain on the roof");
    const clara = await house.page();
    await register(house, clara, "clara", "rain on the roof");

    await button(alice, "New chat").first().click();
    await shoot(alice, "new-desktop");
    await alice.getByRole("dialog").getByRole("button", { name: "Invite people to this server" }).click();
    await alice.getByLabel("It can be used").selectOption("five");
    await button(alice, "Make a link").click();
    await alice.getByRole("img", { name: "QR code of the invitation link" }).waitFor();
    await shoot(alice, "invitation-link-desktop");

    await make(alice, "New group", "Garden on Elm Street", "Make group", ["bob", "clara"]);
    await write(alice, "Who has the key to the shed this week?");
    for (const page of [bob, clara]) {
        await openRoom(page, "Garden");
        await button(page, "Accept").click();
        await message(page, "Who has the key").waitFor();
    }
    await write(clara, "I do. It hangs behind the door.");
    await button(alice, "About and settings").click();
    const about = panel(alice, "About");
    await about.getByRole("button", { name: "Settings" }).click();
    const settings = panel(alice, "Settings");
    await settings.getByLabel("Description").fill("What grows on the plot behind the houses, and who waters it");
    await button(alice, "Save").click();
    await button(alice, "Saved").waitFor();
    await settings.locator("input[type=file]").setInputFiles({ name: "a.jpg", mimeType: "image/jpeg", buffer: await jpeg(alice, 400, 400, "#5a9") });
    await settings.locator("img").waitFor({ state: "attached" });
    await shoot(alice, "settings-desktop");
    await settings.getByRole("button", { name: "Roles and permissions" }).click();
    await panel(alice, "Permissions").getByLabel("Invite people").waitFor();
    await shoot(alice, "permissions-desktop");
    await button(alice, "Back").click();
    await button(alice, "Back").click();
    await shoot(alice, "about-desktop");
    await about.getByRole("button", { name: /^Members/ }).click();
    await panel(alice, "Members").getByRole("link", { name: /bob/ }).waitFor();
    await shoot(alice, "members-desktop");
    await panel(alice, "Members").getByRole("link", { name: /bob/ }).click();
    await panel(alice, "Profile").getByLabel("Role").selectOption("50");
    await shoot(alice, "member-desktop");
    await button(alice, "Ban").click();
    await shoot(alice, "ban-desktop");
    await alice.keyboard.press("Escape");
    await button(alice, "Close").click();

    await make(alice, "New channel", "Notices of the town hall", "Make channel", ["bob"]);
    await write(alice, "The well on the market square is open again");
    await openRoom(bob, "Notices");
    await button(bob, "Accept").click();
    await message(bob, "The well on the market").waitFor();
    await shoot(bob, "channel-desktop");

    await make(alice, "New space", "Elm Street", "Make space", ["clara"]);
    await alice.getByText("There is nothing in this space yet.").waitFor();
    await shoot(alice, "space-empty-desktop");
    await button(alice, "New group here").click();
    await alice.getByRole("textbox", { name: "Name of the group" }).fill("Neighbours");
    await button(alice, "Make group").click();
    await write(alice, "Welcome");
    await alice.getByRole("navigation").getByRole("radio", { name: /Elm Street/ }).click();
    await alice.getByRole("navigation").getByRole("link", { name: "All of “Elm Street”" }).click();
    await button(alice, "Add existing").click();
    await shoot(alice, "space-add-desktop");
    await alice.getByRole("dialog").getByRole("switch", { name: /Notices/ }).check();
    await button(alice, "Add 1").click();
    await alice.getByRole("main").getByRole("link", { name: /Notices/ }).waitFor();
    await shoot(alice, "space-desktop");
    await alice.getByRole("navigation").getByRole("radio", { name: "All" }).click();

    await make(alice, "New group", "Orchard", "Make group", [], () => alice.getByRole("radio", { name: "Who is invited, others may ask" }).check());
    await button(alice, "About and settings").click();
    await about.getByRole("button", { name: "Settings" }).click();
    await settings.getByLabel("New address").fill("The Orchard");
    await button(alice, "Add").click();
    await settings.getByText("#the-orchard:house.example").waitFor();
    await settings.getByRole("switch", { name: "Show in the public directory" }).click();
    await alice.waitForTimeout(1500);
    await button(alice, "Back").click();
    await about.getByRole("button", { name: "Link and QR code" }).click();
    await alice.getByRole("img", { name: "QR code of the link" }).waitFor();
    await shoot(alice, "link-desktop");
    await button(alice, "Close").click();

    await button(clara, "New chat").first().click();
    await clara.getByRole("dialog").getByRole("button", { name: "Find groups and channels" }).click();
    await clara.getByRole("main").getByText("Orchard", { exact: true }).waitFor();
    await shoot(clara, "directory-desktop");
    await button(clara, "Ask to join: Orchard").click();
    await clara.getByLabel("A few words to those who decide").fill("I know how to prune");
    await shoot(clara, "ask-desktop");
    await clara.getByRole("dialog").getByRole("button", { name: "Ask to join" }).click();
    await clara.getByText("You have asked to join. You will be let in").waitFor();
    await shoot(clara, "asked-desktop");
    await button(alice, /1 person asks to join/).waitFor();
    await shoot(alice, "knock-desktop");
    await button(alice, /1 person asks to join/).click();
    await about.getByText("“I know how to prune”").waitFor();
    await shoot(alice, "knocks-desktop");
    await button(alice, "Let in").click();
    await openRoom(clara, "Elm Street.*invites you");
    await clara.getByRole("heading", { name: /invites you into the space/ }).waitFor();
    await shoot(clara, "space-invitation-desktop");

    const put = async (room: RegExp, item: string): Promise<void> => {
        await alice.getByRole("navigation").getByRole("link", { name: room }).click({ button: "right" });
        await alice.getByRole("menuitem", { name: item }).click();
    };
    await put(/Garden/, "Pin");
    await put(/Orchard/, "Mute");
    await put(/Neighbours/, "Archive");
    await alice.getByRole("navigation").getByRole("link", { name: /Notices/ }).click({ button: "right" });
    await alice.getByRole("menu").waitFor();
    await shoot(alice, "list-menu-desktop");
    await alice.keyboard.press("Escape");
    await alice.goto(`${house.url}/user/%40bob%3Ahouse.example`);
    await alice.getByRole("heading", { name: "bob" }).first().waitFor();
    await shoot(alice, "person-desktop");

    const phone = await house.page(phoneForm);
    await signIn(house, phone, "alice", "a quiet morning");
    await button(phone, "Not now").click();
    await phone.getByRole("navigation").getByRole("link", { name: /Garden/ }).waitFor();
    await shoot(phone, "list-phone");
    await openRoom(phone, "Garden");
    await button(phone, "About and settings").click();
    await panel(phone, "About").getByRole("button", { name: /^Members/ }).waitFor();
    await shoot(phone, "about-phone");
    await panel(phone, "About").getByRole("button", { name: /^Members/ }).click();
    await panel(phone, "Members").getByRole("link", { name: /bob/ }).click();
    await panel(phone, "Profile").getByLabel("Role").waitFor();
    await shoot(phone, "member-phone");
    await button(phone, "Back").click();
    await button(phone, "Back").click();
    await panel(phone, "About").getByRole("button", { name: "Settings" }).click();
    await shoot(phone, "settings-phone");
    await phone.goto(`${house.url}/explore`);
    await phone.getByRole("main").getByText("Orchard", { exact: true }).waitFor();
    await shoot(phone, "directory-phone");

    await button(alice, "Menu").click();
    await alice.getByRole("menuitemradio", { name: "Русский" }).click();
    await openRoom(alice, "Garden");
    await button(alice, "О группе и настройки").or(alice.locator("header button:last-of-type")).last().click();
    await alice.waitForTimeout(800);
    await shoot(alice, "about-russian-desktop");
    await alice.goto(alice.url().replace(/\/info$/, "/settings"));
    await alice.waitForTimeout(2500);
    await shoot(alice, "settings-russian-desktop");
    await alice.goto(alice.url().replace(/\/settings$/, "/roles"));
    await alice.waitForTimeout(2500);
    await shoot(alice, "permissions-russian-desktop");
    await alice.goto(`${house.url}/explore`);
    await alice.getByRole("main").getByText("Orchard", { exact: true }).waitFor();
    await shoot(alice, "directory-russian-desktop");
    await alice.getByRole("button", { name: "Новый чат" }).first().click();
    await shoot(alice, "new-russian-desktop");
    await alice.getByRole("dialog").getByRole("button", { name: "Новая группа" }).click();
    await shoot(alice, "new-group-russian-desktop");
    await alice.keyboard.press("Escape");
    await phone.goto(house.url);
    await button(phone, "Menu").click();
    await phone.getByRole("menuitemradio", { name: "Русский" }).click();
    await shoot(phone, "list-russian-phone");
    await openRoom(phone, "Garden");
    await phone.goto(`${phone.url()}/info`);
    await panel(phone, "Сведения").getByRole("button", { name: /^Участники/ }).waitFor();
    await shoot(phone, "about-russian-phone");
});
