// What the web app costs, against the budgets of docs/performance.md: `npm run bench` prints a table, `make web-bench` writes it
// there too. Times are those of the machine: it waits a little for others to come to rest, repeats, and takes the middle; beside
// times of the clock stand those of the processor, which do not depend on what else runs. It ends within ten minutes.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import type { CDPSession, Page } from "playwright-core";
import { House, register, setUp } from "./house.ts";

const out = process.argv[2];
const only = process.env.ONLY?.split(","); // parts: load, rooms, scroll, memory
const manyRooms = Number(process.env.ROOMS ?? 500);
const manyEvents = Number(process.env.EVENTS ?? 10_000);
const traffic = Number(process.env.TRAFFIC ?? 18_000); // messages: five a second for an hour, sent as fast as they can be shown
const repeats = 7;
const rest = 45_000; // milliseconds that it waits at most for a load below 2
const longestScroll = 60_000;
const longestTraffic = 150_000;

interface Figure {
    work: string;
    measured: string;
    target?: string;
    met?: boolean;
}
const figures: Figure[] = [];
const note = (work: string, measured: string, target = "", met?: boolean): void => {
    figures.push({ work, measured, target, ...(met !== undefined && { met }) });
    console.log(`${work && `${work}: `}${measured}${target && ` (${target}${met ? "" : ": NOT MET"})`}`);
};
const sorted = (all: number[]): number[] => all.toSorted((a, b) => a - b);
const middle = (all: number[]): number => sorted(all)[Math.floor(all.length / 2)]!;
const most = (all: number[]): number => sorted(all).at(-1) ?? 0;
const ms = (value: number): string => `${Math.round(value).toLocaleString("en")} ms`;
const wants = (part: string): boolean => !only || only.includes(part);
const pause = (time: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, time));

/** Waits for the machine to come to rest; gives the load that there is then. */
async function atRest(): Promise<number> {
    for (const until = Date.now() + rest; loadavg()[0]! >= 2 && Date.now() < until;) await pause(3000);
    return loadavg()[0]!;
}

const busy = await atRest();
const house = await House.build();

class Account {
    readonly token: string;

    constructor(token: string) {
        this.token = token;
    }

    static async of(page: Page): Promise<Account> {
        return new Account(await page.evaluate(() => (JSON.parse(localStorage.getItem("freehold.account")!) as { token: string }).token));
    }

    async ask<T>(method: string, path: string, body: object): Promise<T> {
        const response = await fetch(`${house.url}/_matrix/client/v3${path}`, { method, body: JSON.stringify(body), headers: { Authorization: `Bearer ${this.token}` } });
        if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
        return (await response.json()) as T;
    }

    async newRoom(name: string, invite: string[] = []): Promise<string> {
        return (await this.ask<{ room_id: string }>("POST", "/createRoom", { name, preset: "trusted_private_chat", invite })).room_id;
    }

    async say(room: string, txn: string, body: string): Promise<void> {
        await this.ask("PUT", `/rooms/${encodeURIComponent(room)}/send/m.room.message/${txn}`, { msgtype: "m.text", body });
    }
}

/** Does something so many times, some at once. */
async function times(count: number, atOnce: number, run: (i: number) => Promise<unknown>): Promise<void> {
    let next = 0;
    await Promise.all(Array.from({ length: atOnce }, async () => {
        while (next < count) await run(next++);
    }));
}

const words = (i: number): string => `number ${i}${" and some more words".repeat(i % 9)}`;

function sizeOf(path: string): number {
    const file = join(import.meta.dirname, "../dist", path);
    return statSync(existsSync(`${file}.br`) ? `${file}.br` : file).size;
}

/** The processor time, in milliseconds, that the page's own thread has taken so far. */
async function threadTime(cdp: CDPSession): Promise<number> {
    const { metrics } = await cdp.send("Performance.getMetrics");
    return metrics.find(({ name }) => name === "TaskDuration")!.value * 1000;
}

async function threadOf(page: Page): Promise<CDPSession> {
    const cdp = await page.context().newCDPSession(page);
    await cdp.send("Performance.enable", { timeDomain: "threadTicks" });
    return cdp;
}

/** Memory of the page after what is not used any more was collected, in MB. */
async function memory(page: Page): Promise<number> {
    const cdp = await page.context().newCDPSession(page);
    await cdp.send("HeapProfiler.collectGarbage");
    const { usedSize, backingStorageSize } = (await cdp.send("Runtime.getHeapUsage")) as { usedSize: number; backingStorageSize?: number };
    await cdp.detach();
    return (usedSize + (backingStorageSize ?? 0)) / 1024 / 1024;
}

/** Watches from now on how long each frame takes, in milliseconds, whatever keeps it from coming. */
const watchFrames = (page: Page): Promise<void> => page.evaluate(() => {
    const frames: number[] = [];
    Object.assign(window, { frames });
    let last = performance.now();
    const look = (now: number): void => {
        frames.push(now - last);
        last = now;
        requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
});

async function load(page: Page): Promise<void> {
    // Their sizes are those on disk: what the service worker has kept is not compressed.
    const loaded = await page.evaluate(() => performance.getEntriesByType("resource").map(({ name }) => new URL(name).pathname));
    const first = [...new Set(loaded)]
        .filter((path) => /^\/assets\/.*\.(js|css)$/.test(path) && !path.includes("rust-crypto"))
        .reduce((sum, path) => sum + sizeOf(path), 0);
    note("first load: script and style, compressed, until there is a list", `${Math.round(first / 1024)} KB`, "at most 450 KB", first < 450 * 1024);
}

/** Opens the app again and again with many rooms, then rooms in it. */
async function rooms(page: Page, account: Account): Promise<void> {
    await times(manyRooms, 8, async (i) => {
        const room = await account.newRoom(`Room ${i}`);
        for (let j = 0; j < 5; j++) await account.say(room, `${i}-${j}`, words(j));
    });
    const newest = `Room ${manyRooms - 1}`;
    await page.getByRole("navigation").getByText(newest).first().waitFor();
    await page.waitForTimeout(5000);
    await page.addInitScript(() => {
        const seen: { usable?: number; open?: number } = {};
        Object.assign(window, { seen });
        const shown = (is: "usable" | "open", selector: string, count: number): void => {
            if (seen[is] !== undefined || document.querySelectorAll(selector).length < count) return;
            seen[is] = -1; // known, not drawn yet
            requestAnimationFrame(() => setTimeout(() => (seen[is] = performance.now())));
        };
        new MutationObserver(() => {
            shown("usable", "nav [role=listitem]", 5);
            shown("open", "nav button[aria-haspopup=menu]", 1); // the account's own menu: it is there when the account has been opened
        }).observe(document, { childList: true, subtree: true });
    });
    await page.goto(house.url);
    await page.getByRole("navigation").getByText(newest).first().waitFor();
    await page.waitForTimeout(8000); // until all of it is remembered
    const usable: number[] = [];
    const opened: number[] = [];
    const cost: number[] = [];
    for (let i = 0; i < repeats; i++) {
        await page.goto("about:blank");
        await page.waitForTimeout(1500);
        const cdp = await threadOf(page);
        await page.goto(house.url, { waitUntil: "commit" });
        await page.waitForFunction(() => ((window as unknown as { seen?: { open?: number } }).seen?.open ?? -1) > 0);
        cost.push(await threadTime(cdp));
        await cdp.detach();
        const seen = await page.evaluate(() => (window as unknown as { seen: { usable: number; open: number } }).seen);
        usable.push(seen.usable);
        opened.push(seen.open);
        await page.waitForTimeout(2500);
    }
    note(`from navigation to a usable list of ${manyRooms} rooms, second visit`, ms(middle(usable)), "under 1,500 ms", middle(usable) < 1500);
    note("", `${ms(most(usable))} the slowest of ${usable.length}`);
    note("until the account is open behind it, so that rooms open and messages are sent", ms(middle(opened)));
    note("", `${ms(most(opened))} the slowest; ${ms(middle(cost))} of processor time of the page`);

    const took: number[] = [];
    const cdp = await threadOf(page);
    const before = await threadTime(cdp);
    for (let i = 0; i < 10; i++) {
        took.push(await page.evaluate(async (i) => {
            const link = document.querySelectorAll<HTMLElement>("nav [role=listitem] a")[i]!;
            const before = location.pathname;
            const began = performance.now();
            link.click();
            while (location.pathname === before || !document.querySelector("[role=log] article")) await new Promise((resolve) => setTimeout(resolve, 1));
            await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
            return performance.now() - began;
        }, i));
        await page.waitForTimeout(400);
    }
    const each = ((await threadTime(cdp)) - before) / took.length;
    await cdp.detach();
    note("opening a room", ms(middle(took)), "under 150 ms", middle(took) < 150);
    note("", `${ms(most(took))} the slowest of ${took.length}; ${ms(each)} of processor time of the page for each`);
}

async function scroll(page: Page, account: Account): Promise<void> {
    const long = await account.newRoom("Long");
    await times(manyEvents, 4, (i) => account.say(long, `long-${i}`, words(i)));
    await page.goto(`${house.url}/room/${encodeURIComponent(long)}`);
    await page.getByRole("log").getByRole("article").first().waitFor();
    await page.waitForTimeout(5000);
    const load = await atRest();
    await page.getByRole("log").hover();
    await watchFrames(page);
    const began = Date.now();
    let oldest = manyEvents;
    const cdp = await threadOf(page);
    const before = await threadTime(cdp);
    while (oldest > 8 && Date.now() - began < longestScroll) {
        for (let i = 0; i < 20; i++) {
            await page.mouse.wheel(0, -900);
            await page.waitForTimeout(16);
        }
        const text = await page.getByRole("log").getByRole("article").first().innerText();
        oldest = Number(/number (\d+)/.exec(text)?.[1] ?? 0);
    }
    const took = Date.now() - began;
    const busyFor = (await threadTime(cdp)) - before;
    await cdp.detach();
    const frames = await page.evaluate(() => (window as unknown as { frames: number[] }).frames);
    const late = frames.filter((frame) => frame > 50);
    const work = `scrolling through ${(manyEvents - oldest).toLocaleString("en")} events in ${Math.round(took / 1000)} s`;
    note(work, `${late.length} of ${frames.length.toLocaleString("en")} frames over 50 ms, the longest ${ms(most(frames))}`, "none", late.length === 0);
    note("", `the page took ${Math.round((busyFor / took) * 100)} % of a processor; load average when it began: ${load.toFixed(1)}`);
}

/** Writes as others do, in rooms of which one is open, and looks again and again at what the page keeps of it. */
async function remember(page: Page, account: Account): Promise<void> {
    const other = await house.page();
    await register(house, other, "bob", "rain on the roof");
    const bob = await Account.of(other);
    await other.context().close();
    const some = await Promise.all(Array.from({ length: 20 }, (_, i) => account.newRoom(`Busy ${i}`, ["@bob:house.example"])));
    for (const room of some) await bob.ask("POST", `/join/${encodeURIComponent(room)}`, {});
    await page.goto(`${house.url}/room/${encodeURIComponent(some[0]!)}`);
    await page.getByRole("textbox", { name: "Write a message" }).waitFor();
    const steps = 12;
    const perStep = traffic / steps;
    const kept: { sent: number; megabytes: number }[] = [];
    const began = Date.now();
    let sent = 0;
    while (sent < traffic && Date.now() - began < longestTraffic) {
        // No faster than the page takes it: a gap would make it let go of what it has.
        await times(perStep, 4, async (i) => {
            await bob.say(some[(sent + i) % some.length]!, `busy-${sent + i}`, words(sent + i));
            if (i % 100 === 99) await pause(100);
        });
        sent += perStep;
        await page.waitForTimeout(1000);
        kept.push({ sent, megabytes: await memory(page) });
    }
    const settled = kept.slice(Math.floor(kept.length / 4)); // caches fill first
    const slope = slopeOf(settled.map(({ sent, megabytes }) => [sent, megabytes])) * 3600;
    const at = settled[0]!.megabytes;
    note(
        `memory over ${sent.toLocaleString("en")} messages in ${some.length} rooms, one of them open`, `${slope >= 0 ? "+" : ""}${slope.toFixed(2)} MB for each 3,600, an hour of one a second`,
        "at most 2 %", slope < at * 0.02,
    );
    note("", `${kept.map(({ megabytes }) => megabytes.toFixed(1)).join(", ")} MB on the way`);
}

/** The slope of the line that is nearest to the points. */
function slopeOf(points: number[][]): number {
    const mean = (k: number): number => points.reduce((sum, point) => sum + point[k]!, 0) / points.length;
    const [mx, my] = [mean(0), mean(1)];
    const over = points.reduce((sum, [x, y]) => sum + (x! - mx) * (y! - my), 0);
    return over / points.reduce((sum, [x]) => sum + (x! - mx) ** 2, 0);
}

const start = Date.now();
try {
    const page = await house.page();
    await setUp(house, page, "alice", "a quiet morning");
    const alice = await Account.of(page);
    if (wants("load")) await load(page);
    if (wants("rooms")) await rooms(page, alice);
    if (wants("scroll")) await scroll(page, alice);
    if (wants("memory")) await remember(page, alice);
    if (house.faults.length > 0) throw new Error(house.faults.join("\n"));
} finally {
    await house.close();
}

const rows = figures.map(({ work, measured, target = "", met }) => `| ${work} | ${measured} | ${target} | ${met === undefined ? "" : met ? "met" : "**not met**"} |`);
const commit = execFileSync("git", ["rev-parse", "--short=7", "HEAD"], { encoding: "utf8" }).trim();
const machine = `${cpus().length} x ${cpus()[0]!.model} shared with the server and Chromium (load average before: ${busy.toFixed(2)}), commit ${commit}, ${new Date().toISOString().slice(0, 10)}, ${Math.round((Date.now() - start) / 1000)} s`;
const table = ["", machine, "", "| work | measured | target | |", "|---|---|---|---|", ...rows, "", ""].join("\n");
console.log(table);
if (out) {
    const path = join(process.cwd(), out);
    const [begin, end] = ["<!-- web: made by make web-bench -->\n", "<!-- web: end -->\n"];
    const old = readFileSync(path, "utf8");
    const [head, tail] = old.includes(begin) ? [old.split(begin)[0]!, old.split(end)[1]!] : [`${old}\n## The web app\n\nMeasured in Chromium against the server on the same machine, by \`make web-bench\` (web/e2e/bench.ts).\n\n`, ""];
    writeFileSync(path, head + begin + table + end + tail);
}
