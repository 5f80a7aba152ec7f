// Pictures of how it stands with other servers: what this one says of them is made up. Part of `npm run shots`; alone: node e2e/beyondShots.ts.

import type { Page } from "playwright-core";
import { address, beginChat, federated, House, message, openRoom, setUp, signIn, write } from "./house.ts";
import { phoneForm, takePictures } from "./shoot.ts";

const ago = (minutes: number): number => Date.now() - minutes * 60_000;

await takePictures("beyond", async (house, shoot) => {
    const there = await House.build(await federated());
    try {
        const alice = await house.page();
        await setUp(house, alice, "alice", "a quiet morning");
        const bob = await there.page();
        await setUp(there, bob, "bob", "rain on the roof");
        const other = await address(bob);
        const city = other.slice(other.indexOf(":") + 1);
        await beginChat(alice, other);
        await write(alice, "Is the bridge open?");
        await openRoom(bob, "alice");
        await bob.getByRole("button", { name: "Accept" }).click();
        await write(bob, "It is, and the market too");
        await message(alice, "It is, and").waitFor();

        const reached = { state: "reached", last_contact_ts: ago(0) };
        const servers = [
            { server_name: city, state: "silent", since_ts: ago(47), last_contact_ts: ago(48), waiting: { events: 12, rooms: 1, messages: 3 } },
            { server_name: "matrix.a-very-long-name-of-a-server-in-the-mountains.example:8448", state: "silent", since_ts: ago(4000), last_contact_ts: ago(4001), waiting: { events: 0, rooms: 21, messages: 1 } },
            { server_name: "farm.example", state: "healing", last_contact_ts: ago(0), waiting: { events: 0, rooms: 2, messages: 0 }, healing: { rooms_left: 2, rooms: 9 } },
            { server_name: "hill.example", state: "unknown" },
            { server_name: "mill.example", state: "reached", last_contact_ts: ago(3) },
            { server_name: "quay.example", state: "reached", last_contact_ts: ago(190) },
        ];
        const tell = async (page: Page, answer: object): Promise<void> => {
            await page.context().unroute("**/org.freehold.reachability**");
            await page.context().route("**/org.freehold.reachability**", (route) => route.fulfill({ json: { version: "v", servers: [], ...answer } }));
            await page.goto(`${house.url}/servers`);
            await page.getByRole("main").getByRole("heading", { level: 1 }).waitFor();
        };

        await tell(alice, { outside: reached, servers, more: 17 });
        await alice.getByText("farm.example").waitFor();
        await shoot(alice, "servers-desktop");
        await openRoom(alice, "bob");
        await alice.getByRole("main").getByText(`${city} has not answered since`).waitFor();
        await shoot(alice, "room-desktop");
        await tell(alice, { outside: { state: "cut_off", since_ts: ago(26), last_contact_ts: ago(27) }, servers });
        await alice.getByRole("heading", { name: /^Cut off/ }).waitFor();
        await shoot(alice, "cut-desktop");
        await tell(alice, { outside: { state: "unknown" } });
        await alice.getByText("Everybody in your conversations is on this server.").waitFor();
        await shoot(alice, "nobody-desktop");

        const phone = await house.page(phoneForm);
        await signIn(house, phone, "alice", "a quiet morning");
        await phone.getByRole("button", { name: "Not now" }).click();
        await phone.getByRole("navigation").getByRole("link", { name: /bob/ }).waitFor();
        await tell(phone, { outside: { state: "cut_off", since_ts: ago(2), last_contact_ts: ago(3), rehearsal: true }, servers });
        await phone.getByRole("heading", { name: /^Rehearsing a cut/ }).waitFor();
        await shoot(phone, "rehearsal-phone");
        await phone.getByRole("button", { name: "Back to the list" }).click();
        await phone.getByText("A rehearsal: this server").waitFor();
        await shoot(phone, "line-phone");
        await openRoom(phone, "bob");
        await phone.getByRole("main").getByText(`${city} has not answered since`).waitFor();
        await shoot(phone, "room-phone");

        for (const page of [alice, phone]) {
            await page.evaluate(() => localStorage.setItem("freehold.language", "ru"));
            await tell(page, { outside: reached, servers, more: 17 });
            await page.getByText("farm.example").waitFor();
        }
        await shoot(alice, "servers-russian-desktop");
        await shoot(phone, "servers-russian-phone");
    } finally {
        await there.close();
    }
}, await federated());
