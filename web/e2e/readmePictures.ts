// The four pictures of the README, into docs/pictures. `npm run pictures`, when the app looks different.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { House, message, openRoom, register, setUp, write } from "./house.ts";
import { phoneForm } from "./shoot.ts";

const place = join(import.meta.dirname, "../../docs/pictures");
mkdirSync(place, { recursive: true });
const largest = 60_000; // bytes of one

const house = await House.build();
const tokenOf = (page: Page): Promise<string> => page.evaluate(() => (JSON.parse(localStorage.getItem("freehold.account")!) as { token: string }).token);

async function ask<T>(token: string, method: string, path: string, body: object): Promise<T> {
    const response = await fetch(`${house.url}/_matrix/client/v3${path}`, { method, body: JSON.stringify(body), headers: token ? { Authorization: `Bearer ${token}` } : {} });
    return (await response.json()) as T;
}

const call = (token: string, user: string, name: string): Promise<unknown> => ask(token, "PUT", `/profile/${encodeURIComponent(`@${user}:house.example`)}/displayname`, { displayname: name });

/** An evening over hills, as a JPEG. */
async function landscape(page: Page, sky: string, earth: string): Promise<Buffer> {
    const base64 = await page.evaluate(({ sky, earth }) => {
        const canvas = Object.assign(document.createElement("canvas"), { width: 1200, height: 760 });
        const draw = canvas.getContext("2d")!;
        const air = draw.createLinearGradient(0, 0, 0, 620);
        air.addColorStop(0, sky);
        air.addColorStop(1, "#f6dfb5");
        draw.fillStyle = air;
        draw.fillRect(0, 0, 1200, 760);
        draw.fillStyle = "#fff3d0";
        draw.beginPath();
        draw.arc(830, 390, 70, 0, 7);
        draw.fill();
        for (const [i, shade] of [0.45, 0.7, 1].entries()) {
            draw.globalAlpha = shade;
            draw.fillStyle = earth;
            draw.beginPath();
            draw.moveTo(0, 760);
            for (let x = 0; x <= 1200; x += 20) draw.lineTo(x, 430 + i * 100 + Math.sin(x / (260 - i * 40) + i * 2) * (70 - i * 12));
            draw.lineTo(1200, 760);
            draw.fill();
        }
        return canvas.toDataURL("image/jpeg", 0.9).split(",")[1]!;
    }, { sky, earth });
    return Buffer.from(base64, "base64");
}

/** Keeps what the page shows, small: as WebP, which the browser itself makes. */
async function keep(page: Page, name: string, theme: "light" | "dark", width: number): Promise<void> {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
    await page.mouse.move(2, 2);
    await page.waitForTimeout(600);
    const png = (await page.screenshot()).toString("base64");
    const canvas = await house.browser.newPage(); // without the app's policy
    const webp = await canvas.evaluate(async ({ png, width }) => {
        const picture = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
        const canvas = Object.assign(document.createElement("canvas"), { width, height: Math.round((picture.height * width) / picture.width) });
        const draw = canvas.getContext("2d")!;
        draw.imageSmoothingQuality = "high";
        draw.drawImage(picture, 0, 0, canvas.width, canvas.height);
        return canvas.toDataURL("image/webp", 0.82).split(",")[1]!;
    }, { png, width });
    await canvas.close();
    const bytes = Buffer.from(webp, "base64");
    if (bytes.length > largest) throw new Error(`${name}: ${bytes.length} bytes`);
    writeFileSync(join(place, `${name}.webp`), bytes);
    await page.emulateMedia({ colorScheme: "light" });
}

const choose = async (page: Page, name: string, buffer: Buffer, caption: string): Promise<void> => {
    await page.locator('input[type=file][aria-label="File"]').setInputFiles([{ name, mimeType: "image/jpeg", buffer }]);
    await page.getByRole("dialog").getByLabel("Caption").fill(caption);
    await page.getByRole("dialog").getByRole("button", { name: "Send", exact: true }).click();
};

try {
    const anna = await house.page({ deviceScaleFactor: 2 });
    await setUp(house, anna, "anna", "a quiet morning");
    const own = await tokenOf(anna);
    await call(own, "anna", "Anna Lindqvist");
    const ben = await house.page({ ...phoneForm, deviceScaleFactor: 2 });
    await register(house, ben, "ben", "rain on the roof");
    await call(await tokenOf(ben), "ben", "Ben Okafor");

    // Others whose conversations only stand in the list.
    const heard: [user: string, name: string, room: string, text: string][] = [
        ["marta", "Marta Silva", "", "See you at the harbour at six"], ["school", "Linden School", "Linden School", "The parents’ evening is on Thursday"],
        ["dmitri", "Дмитрий", "", "Спасибо за вчерашний вечер!"], ["choir", "Jonas", "Choir", "Bring the blue scores, please"], ["lena", "Lena Fischer", "Book circle", "Chapter nine, then cake"],
    ];
    for (const [user, name, room, text] of heard) {
        const { access_token: token } = await ask<{ access_token: string }>("", "POST", "/register", { username: user, password: "rain on the roof", auth: { type: "m.login.dummy" } });
        await call(token, user, name);
        const { room_id } = await ask<{ room_id: string }>(token, "POST", "/createRoom", { preset: "trusted_private_chat", invite: ["@anna:house.example"], ...(room ? { name: room } : { is_direct: true }) });
        await ask(own, "POST", `/join/${encodeURIComponent(room_id)}`, {});
        await ask(token, "PUT", `/rooms/${encodeURIComponent(room_id)}/send/m.room.message/1`, { msgtype: "m.text", body: text });
        await anna.waitForTimeout(1100);
    }

    await anna.getByRole("button", { name: "New chat" }).first().click();
    await anna.getByRole("button", { name: "New group" }).click();
    await anna.getByLabel("Name of the group").fill("Garden on Elm Street");
    await anna.getByRole("textbox", { name: "Members" }).fill("ben");
    await anna.getByRole("button", { name: /@ben:/ }).click();
    await anna.getByRole("button", { name: "Make group" }).click();
    await write(anna, "Who has the key to the shed this week?");
    await openRoom(ben, "Garden");
    await ben.getByRole("button", { name: "Accept" }).click();
    await message(ben, "Who has the key").waitFor();
    await write(ben, "I do. It hangs behind the door.");
    await choose(ben, "evening.jpg", await landscape(ben, "#7f9fc4", "#3f6b52"), "This was the light over the plot just now");
    await anna.getByRole("button", { name: "Open evening.jpg" }).locator("img").waitFor();
    await message(anna, "This was the light").getByText("This was the light").click({ button: "right" });
    await anna.getByRole("menuitem", { name: "Reply", exact: true }).click();
    await write(anna, "Lovely! Then we paint the fence **on Saturday**, before the rain comes.");
    await message(ben, "before the rain").waitFor();
    await write(anna, "About the colour");
    await message(ben, "About the colour").waitFor();
    await message(anna, "About the colour").getByText("About the colour").click({ button: "right" });
    await anna.getByRole("menuitem", { name: "Reply in thread" }).click();
    const thread = anna.getByRole("complementary", { name: "Thread" });
    const say = async (text: string): Promise<void> => {
        await thread.getByRole("textbox", { name: "Reply in the thread" }).fill(text);
        await thread.getByRole("textbox", { name: "Reply in the thread" }).press("Enter");
        await thread.getByRole("article").filter({ hasText: text }).getByLabel("Sent").waitFor();
    };
    await say("Green, like the old one?");
    await message(ben, "About the colour").getByRole("button", { name: /1 reply/ }).click();
    const box = ben.getByRole("complementary", { name: "Thread" }).getByRole("textbox", { name: "Reply in the thread" });
    await box.fill("A little darker. I have two tins left from the gate.");
    await ben.getByRole("button", { name: "Send" }).last().click();
    await thread.getByText("A little darker").waitFor();
    await say("Then that is settled");
    await ben.getByRole("button", { name: "Close" }).click();
    await keep(anna, "thread", "dark", 1280);
    await anna.getByRole("button", { name: "Close" }).click();
    await anna.getByText("Then that is settled").first().waitFor();
    await keep(anna, "desktop", "light", 1280);
    await keep(ben, "phone", "light", 640);
    const pocket = await house.page({ ...phoneForm, deviceScaleFactor: 2 });
    await pocket.goto(house.url);
    await pocket.getByLabel("User name").fill("anna");
    await pocket.getByRole("textbox", { name: "Password", exact: true }).fill("a quiet morning");
    await pocket.getByRole("button", { name: "Sign in" }).click();
    await pocket.getByRole("button", { name: "Use another device" }).click();
    await anna.getByRole("button", { name: "Begin" }).click();
    await anna.getByRole("button", { name: "Compare emoji" }).click();
    await pocket.getByTestId("emoji").waitFor();
    for (const page of [anna, pocket]) await page.getByRole("button", { name: "They are the same" }).click();
    await pocket.getByRole("button", { name: "Good" }).click();
    await pocket.getByRole("navigation").getByText("About the colour").waitFor();
    await keep(pocket, "list", "dark", 640);
} finally {
    await house.close();
}
