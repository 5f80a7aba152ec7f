// Pictures of the settings and of verification. Part of `npm run shots`; alone: node e2e/ownShots.ts.

import { beginChat, openRoom, register, setUp, signIn, write } from "./house.ts";
import { phoneForm, takePictures } from "./shoot.ts";

const sections = ["Profile", "Appearance", "Notifications", "Privacy", "Security and keys", "Devices", "Your data"];

await takePictures("own", async (house, shoot) => {
    const alice = await house.page();
    await setUp(house, alice, "alice", "a quiet morning");
    const bob = await house.page();
    await register(house, bob, "bob", "rain on the roof");
    await beginChat(alice, "bob");
    await write(alice, "The ladder is behind the shed");
    await openRoom(bob, "alice");
    await bob.getByRole("button", { name: "Accept" }).click();

    const phone = await house.page(phoneForm);
    await phone.goto(`${house.url}/elsewhere`);
    await phone.getByLabel("Server").waitFor();
    await shoot(phone, "elsewhere-phone");
    await signIn(house, phone, "alice", "a quiet morning");
    await phone.getByRole("button", { name: "Use another device" }).waitFor();
    await shoot(phone, "enter-key-phone");
    await phone.getByRole("button", { name: "Use another device" }).click();
    await alice.getByRole("button", { name: "Begin" }).waitFor();
    await shoot(alice, "verify-asked-desktop");
    await shoot(phone, "verify-waiting-phone");
    await alice.getByRole("button", { name: "Begin" }).click();
    await alice.getByRole("img", { name: "QR code for the verification" }).waitFor();
    await shoot(alice, "verify-ways-desktop");
    await shoot(phone, "verify-ways-phone");
    await alice.getByRole("button", { name: "Compare emoji" }).click();
    await phone.getByTestId("emoji").waitFor();
    await shoot(alice, "verify-emoji-desktop");
    await shoot(phone, "verify-emoji-phone");
    for (const page of [alice, phone]) await page.getByRole("button", { name: "They are the same" }).click();
    await phone.getByText("Verified.").waitFor();
    await shoot(phone, "verify-done-phone");
    for (const page of [alice, phone]) await page.getByRole("button", { name: "Good" }).click();

    const laptop = await house.page();
    await signIn(house, laptop, "alice", "a quiet morning");
    await laptop.getByRole("button", { name: "Not now" }).click();
    for (const [page, form] of [[alice, "desktop"], [phone, "phone"]] as const) {
        await page.getByRole("button", { name: "Menu" }).click();
        await page.getByRole("menuitem", { name: "Settings" }).click();
        if (form === "phone") await shoot(page, "settings-phone");
        for (const section of sections) {
            await page.getByRole("navigation").getByRole("link", { name: section }).click();
            await page.waitForTimeout(600);
            await shoot(page, `settings-${section.split(" ").at(-1)!.toLowerCase()}-${form}`);
            if (form === "phone") await page.getByRole("button", { name: "Back to the settings" }).click();
        }
    }
    await alice.getByRole("navigation").getByRole("link", { name: "Security and keys" }).click();
    await alice.getByRole("button", { name: "Save keys to a file" }).click();
    await shoot(alice, "key-file-desktop");
    await alice.keyboard.press("Escape");
    await alice.getByRole("navigation").getByRole("link", { name: "Appearance" }).click();
    await alice.getByRole("radio", { name: "Русский" }).check();
    await alice.getByRole("navigation").getByRole("link", { name: "Безопасность и ключи" }).click();
    await alice.waitForTimeout(300);
    await shoot(alice, "settings-russian-desktop");
    await alice.getByRole("button", { name: "К чатам" }).click();
    await alice.getByText("Новый вход").waitFor({ timeout: 90_000 });
    await shoot(alice, "stranger-desktop");
});
