import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { House, message, openRoom, register, setUp, write } from "./house.ts";

let house: House;
before(async () => {
    house = await House.build();
});
after(() => house.close());

test("a long history is scrolled back to its beginning, and stays where it is while older messages come", () => house.tell(async () => {
    const page = await house.page();
    await setUp(house, page, "alice", "a quiet morning");
    const count = 400;
    const room = await page.evaluate(async (count) => {
        const { token } = JSON.parse(localStorage.getItem("freehold.account")!) as { token: string };
        const ask = async (method: string, path: string, body: object): Promise<{ room_id: string }> => {
            const response = await fetch(`/_matrix/client/v3${path}`, { method, body: JSON.stringify(body), headers: { Authorization: `Bearer ${token}` } });
            return (await response.json()) as { room_id: string };
        };
        const { room_id } = await ask("POST", "/createRoom", { name: "Long", preset: "private_chat" });
        for (let i = 1; i <= count; i++) {
            await ask("PUT", `/rooms/${encodeURIComponent(room_id)}/send/m.room.message/${i}`, { msgtype: "m.text", body: `number ${i}${" and more".repeat(i % 17)}` });
        }
        return room_id;
    }, count);
    await page.goto(`${house.url}/room/${encodeURIComponent(room)}`);
    await message(page, `number ${count}`).waitFor();
    assert.ok((await page.getByRole("article").count()) < 100, "only what is seen is drawn");

    // Where the first drawn message stands, before and after a page of older ones has come above it.
    const log = page.getByRole("log");
    let last = 0;
    for (let i = 0; i < 400; i++) {
        await log.hover();
        await page.mouse.wheel(0, -700);
        await page.waitForTimeout(60);
        const shown = await log.getByRole("article").first().innerText();
        const number = Number(/number (\d+)/.exec(shown)?.[1]);
        if (last) assert.ok(Math.abs(last - number) < 60, `jumped from ${last} to ${number}`);
        last = number;
        if (number === 1) break;
    }
    assert.equal(last, 1);
    await page.getByRole("button", { name: "To the newest message" }).click();
    await message(page, `number ${count}`).waitFor();
    await write(page, "and the last");
    await message(page, "and the last").getByLabel("Sent").waitFor();
    await assert.doesNotReject(message(page, "and the last").click({ timeout: 5000 }), "the end is in sight");
}));

test("what came while the conversation was not open is all there, though the app has let go of most of it", () => house.tell(async () => {
    const page = await house.page();
    await register(house, page, "bob", "rain on the roof");
    const { token, room } = await page.evaluate(async () => {
        const { token } = JSON.parse(localStorage.getItem("freehold.account")!) as { token: string };
        const made = await fetch("/_matrix/client/v3/createRoom", { method: "POST", body: JSON.stringify({ name: "Busy", preset: "private_chat" }), headers: { Authorization: `Bearer ${token}` } });
        return { token, room: ((await made.json()) as { room_id: string }).room_id };
    });
    const count = 450;
    for (let i = 1; i <= count; i++) { // one after the other, slowly enough for each to be told of
        await fetch(`${house.url}/_matrix/client/v3/rooms/${encodeURIComponent(room)}/send/m.room.message/${i}`, {
            method: "PUT", body: JSON.stringify({ msgtype: "m.text", body: `number ${i}.` }), headers: { Authorization: `Bearer ${token}` },
        });
        if (i % 10 === 0) await page.getByRole("navigation").getByText(`number ${i}.`).waitFor();
    }
    await openRoom(page, "Busy");
    await message(page, `number ${count}.`).waitFor();
    const seen = new Set<number>();
    for (let i = 0; i < 400 && !seen.has(1); i++) {
        for (const text of await page.getByRole("log").getByRole("article").allInnerTexts()) seen.add(Number(/number (\d+)\./.exec(text)?.[1]));
        await page.getByRole("log").hover();
        await page.mouse.wheel(0, -400);
        await page.waitForTimeout(50);
    }
    assert.deepEqual([...seen].sort((a, b) => a - b), Array.from({ length: count }, (_, i) => i + 1));
}));

test("one can go back as far as there is, and forth again", { timeout: 240_000 }, () => house.tell(async () => {
    const page = await house.page();
    await register(house, page, "carol", "rain on the roof");
    const count = 1100; // more than a timeline holds
    await page.evaluate(async (count) => {
        const { token } = JSON.parse(localStorage.getItem("freehold.account")!) as { token: string };
        const ask = async (method: string, path: string, body: object): Promise<{ room_id: string }> => {
            const response = await fetch(`/_matrix/client/v3${path}`, { method, body: JSON.stringify(body), headers: { Authorization: `Bearer ${token}` } });
            return (await response.json()) as { room_id: string };
        };
        const { room_id } = await ask("POST", "/createRoom", { name: "Long", preset: "private_chat" });
        for (let i = 1; i <= count; i++) await ask("PUT", `/rooms/${encodeURIComponent(room_id)}/send/m.room.message/${i}`, { msgtype: "m.text", body: `number ${i}.` });
    }, count);
    await openRoom(page, "Long");
    await message(page, `number ${count}.`).waitFor();
    await page.evaluate(() => {
        const seen = ((window as unknown as { seen: Set<number> }).seen = new Set<number>());
        const look = (): void => {
            for (const article of document.querySelectorAll("[role=log] article")) {
                const number = /number (\d+)\./.exec((article as HTMLElement).innerText)?.[1];
                if (number) seen.add(Number(number));
            }
            requestAnimationFrame(look);
        };
        look();
    });
    const all = Array.from({ length: count }, (_, i) => i + 1);
    for (const [step, last] of [[-250, 1], [250, count]] as const) {
        await page.evaluate(() => (window as unknown as { seen: Set<number> }).seen.clear());
        await page.getByRole("log").hover();
        let seen: number[] = [];
        for (const until = Date.now() + 90_000; Date.now() < until && !seen.includes(last);) {
            for (let i = 0; i < 10; i++) {
                await page.mouse.wheel(0, step);
                await page.waitForTimeout(30);
            }
            seen = await page.evaluate(() => [...(window as unknown as { seen: Set<number> }).seen]);
        }
        assert.deepEqual(seen.sort((a, b) => a - b), all, step < 0 ? "on the way back" : "on the way forth");
    }
}));
