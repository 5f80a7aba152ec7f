// Pictures of the first start, of the list, and of people writing to each other. `npm run shots` takes all sets.

import type { Page } from "playwright-core";
import { beginChat, keepRecoveryKey, openRoom, register, write } from "./house.ts";
import { phoneForm, takePictures } from "./shoot.ts";

const talk: [string, string][] = [
    ["bob", "Morning! Did the bread turn out?"],
    ["alice", "It did. Crust like a shield, soft inside."],
    ["alice", "I wrote the recipe down: https://example.org/bread"],
    ["bob", "Wonderful. I will try it on Saturday, when the children are at their grandmother’s and the kitchen belongs to nobody but me for once."],
    ["alice", "Then take the large bowl. The dough grows more than you would think 🙂"],
    ["bob", "Noted."],
];

await takePictures("main", async (house, shoot) => {
    const alice = await house.page();
    await alice.goto(house.setupLink);
    await alice.getByLabel("User name").waitFor();
    await shoot(alice, "set-up-desktop");
    const phone = await house.page(phoneForm);
    await phone.goto(house.setupLink);
    await phone.getByLabel("User name").waitFor();
    await shoot(phone, "set-up-phone");

    await alice.getByLabel("User name").fill("alice");
    await alice.getByRole("textbox", { name: "Password", exact: true }).fill("a quiet morning");
    await alice.getByRole("button", { name: "Create account" }).click();
    await alice.getByTestId("recovery-key").waitFor();
    await shoot(alice, "recovery-key-desktop");
    await keepRecoveryKey(alice);
    await shoot(alice, "empty-desktop");

    await phone.goto(house.url);
    await phone.getByLabel("User name").waitFor();
    await shoot(phone, "sign-in-phone");
    const people: Record<string, Page> = { alice, bob: phone };
    await register(house, phone, "bob", "rain on the roof");
    await shoot(phone, "empty-phone");
    for (const name of ["clara", "dmitri", "eleanor"]) {
        const page = await house.page();
        await register(house, page, name, "rain on the roof");
        people[name] = page;
        await beginChat(page, "alice");
        await write(page, { clara: "The meeting is at six, in the library.", dmitri: "Спасибо за вчерашний вечер!", eleanor: "See you at the harbour" }[name]!);
        await page.waitForTimeout(500);
    }
    await openRoom(alice, "clara");
    await shoot(alice, "invitation-desktop");
    for (const name of ["clara", "dmitri"]) {
        await openRoom(alice, name);
        await alice.getByRole("button", { name: "Accept" }).click();
        await alice.getByRole("textbox", { name: "Write a message" }).waitFor();
    }

    await alice.getByRole("button", { name: "New chat" }).first().click();
    await alice.getByRole("button", { name: "New group" }).click();
    await alice.getByLabel("Name of the group").fill("Garden on Elm Street");
    for (const name of ["bob", "clara"]) {
        await alice.getByRole("textbox", { name: "Members" }).fill(name);
        await alice.getByRole("button", { name: new RegExp(`@${name}:`) }).click();
    }
    await alice.getByRole("textbox", { name: "Members" }).fill("dm");
    await alice.getByRole("button", { name: /@dmitri:/ }).waitFor();
    await shoot(alice, "new-group-desktop");
    await alice.getByRole("textbox", { name: "Members" }).fill("");
    await alice.getByRole("button", { name: "Make group" }).click();
    await write(alice, "Who has the key to the shed this week?");
    await openRoom(people.clara!, "Garden");
    await people.clara!.getByRole("button", { name: "Accept" }).click();
    await write(people.clara!, "I do. It hangs behind the door.");
    await write(people.clara!, "Please bring the long ladder back, somebody needs it for the pear tree.");
    await openRoom(phone, "Garden");
    await shoot(phone, "invitation-phone");
    await phone.getByRole("button", { name: "Accept" }).click();
    await write(phone, "The ladder is with me. Tonight!");
    await alice.getByText("The ladder is with me").first().waitFor();
    await shoot(alice, "group-desktop");
    await shoot(phone, "group-phone");
    await phone.getByRole("button", { name: "Back to the list" }).click();

    await beginChat(alice, "bob");
    await write(alice, "Hello Bob");
    await openRoom(phone, "alice");
    await phone.getByRole("button", { name: "Accept" }).click();
    for (const [who, text] of talk) {
        await write(people[who]!, text);
        await alice.getByRole("log").getByText(text.slice(0, 20)).first().waitFor();
    }
    await phone.waitForTimeout(1500);
    await shoot(alice, "chat-desktop");
    await shoot(phone, "chat-phone");
    await write(people.dmitri!, "И ещё: ключи у соседки");
    await alice.waitForTimeout(1000);
    await alice.getByRole("button", { name: "Menu" }).click();
    await shoot(alice, "menu-desktop");
    await alice.getByRole("menuitemradio", { name: "Русский" }).click();
    await alice.waitForTimeout(500);
    await shoot(alice, "russian-desktop");
    await phone.getByRole("button", { name: "Back to the list" }).click();
    await shoot(phone, "list-phone");
    await phone.getByRole("button", { name: "New chat" }).first().click();
    await shoot(phone, "new-chat-phone");
});
