// A server of its own for each story, and people with browsers of their own. Whatever a page does that it must not, ask
// another host, break the policy, throw, fails the story.

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import type { Browser, BrowserContext, BrowserContextOptions, Page } from "playwright-core";

export const patience = 30_000; // milliseconds that anything may take

/** One running program with its data, and a browser. Made by House.build, ended by close. */
export class House {
    readonly faults: string[] = [];
    readonly #contexts: BrowserContext[] = [];

    readonly url: string;
    readonly setupLink: string;
    readonly browser: Browser;
    readonly #dir: string;
    readonly #env: Record<string, string>;
    #running: Running;

    private constructor(setupLink: string, dir: string, env: Record<string, string>, running: Running, browser: Browser) {
        this.url = new URL(setupLink).origin;
        this.setupLink = setupLink;
        this.#dir = dir;
        this.#env = env;
        this.#running = running;
        this.browser = browser;
    }

    static async build(more: Record<string, string> = {}): Promise<House> {
        const dir = mkdtempSync(join(tmpdir(), "freehold-web-"));
        const env = {
            PATH: process.env.PATH ?? "", HOME: dir,
            FREEHOLD_DATA_DIR: join(dir, "data"), FREEHOLD_LISTEN_CLIENT: `127.0.0.1:${await freePort()}`, FREEHOLD_LISTEN_FEDERATION: "",
            FREEHOLD_SERVER_NAME: "house.example", FREEHOLD_PASSWORD_HASHING: "fast", FREEHOLD_RATE_LIMITS: "off", FREEHOLD_REGISTRATION: "open", ...more,
        };
        const { running, said } = await run(env, /http:\/\/\S+\/setup\?token=\w+/);
        const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--use-fake-device-for-media-stream"] });
        return new House(said, dir, env, running, browser);
    }

    /** Ends the program; pages stay open. */
    async stop(): Promise<void> {
        const gone = new Promise((resolve) => this.#running.process.on("exit", resolve));
        this.#running.process.kill("SIGTERM");
        await gone;
    }

    /** Starts it again, with the same data at the same address. */
    async start(): Promise<void> {
        this.#running = (await run(this.#env, /msg=serving|"serving"/)).running;
    }

    /** A person's browser, with nothing in it. */
    async page(options: BrowserContextOptions = {}): Promise<Page> {
        const context = await this.browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en-GB", ...options });
        context.setDefaultTimeout(patience);
        this.#contexts.push(context);
        await context.addInitScript(() => {
            document.addEventListener("securitypolicyviolation", (event) => {
                console.error(`policy violated: ${event.violatedDirective} by ${event.blockedURI} in ${event.sourceFile}:${event.lineNumber}`);
            });
        });
        context.on("request", (request) => {
            const url = new URL(request.url());
            if (url.protocol.startsWith("http") && url.origin !== this.url) this.faults.push(`foreign request: ${request.url()}`);
        });
        context.on("console", (message) => {
            if (process.env.VERBOSE) console.log(`[${message.type()}] ${message.text()}`);
            if (message.text().startsWith("policy violated")) this.faults.push(message.text());
        });
        context.on("weberror", (error) => this.faults.push(`page error: ${error.error().stack ?? error.error().message}`));
        return context.newPage();
    }

    /** Tells a story. When it fails, what each page shows is kept in shots/, and said with the last lines of the program's log. */
    async tell(story: () => Promise<void>): Promise<void> {
        try {
            await story();
            if (this.faults.length > 0) throw new Error(this.faults.join("\n"));
        } catch (error) {
            const port = new URL(this.url).port; // stories of two houses fail in both
            for (const [i, page] of this.#contexts.flatMap((context) => context.pages()).entries()) {
                await page.screenshot({ path: join(import.meta.dirname, `../shots/failed-${port}-${i}.png`) }).catch(() => undefined);
                console.error(`-- ${this.url}, page ${i}:\n${await page.locator("body").innerText().catch(String)}`);
            }
            console.error(`-- ${this.url}, log:\n${this.#running.log.slice(-8000)}`);
            throw error;
        }
    }

    async close(): Promise<void> {
        for (const context of this.#contexts) await context.close();
        await this.browser.close();
        await this.stop();
        rmSync(this.#dir, { recursive: true, force: true });
    }
}

/** The program, and what it has logged since its start. */
interface Running {
    readonly process: ChildProcess;
    log: string;
}

/** Starts the program, and waits until it has said what is awaited. */
async function run(env: Record<string, string>, awaited: RegExp): Promise<{ running: Running; said: string }> {
    const binary = process.env.FREEHOLD_BINARY ?? join(import.meta.dirname, "../../freehold");
    const child = spawn(binary, ["serve"], { stdio: ["ignore", "ignore", "pipe"], env });
    const running = { process: child, log: "" };
    const said = await new Promise<string>((resolve, reject) => {
        let found: RegExpExecArray | null = null;
        child.stderr.setEncoding("utf8").on("data", (text: string) => {
            running.log += text;
            found ??= awaited.exec(running.log);
            if (found) resolve(found[0]);
        });
        child.on("error", reject).on("exit", () => reject(new Error(`the program has ended:\n${running.log}`)));
    });
    return { running, said };
}

async function freePort(): Promise<number> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, "close");
    return port;
}

/** Settings of a server that is named by the address of its federation listener; on one machine such servers believe each other's keys. */
export async function federated(): Promise<Record<string, string>> {
    const name = `127.0.0.1:${await freePort()}`;
    return { FREEHOLD_SERVER_NAME: name, FREEHOLD_LISTEN_FEDERATION: name, FREEHOLD_FEDERATION: "on" };
}

/** Makes the first account by the link of the first start, and keeps the recovery key. */
export async function setUp(house: House, page: Page, name: string, password: string): Promise<string> {
    await page.goto(house.setupLink);
    await fillIn(page, name, password);
    return keepRecoveryKey(page);
}

/** Makes another account, as the server allows. */
export async function register(house: House, page: Page, name: string, password: string): Promise<string> {
    await page.goto(`${house.url}/register`);
    await fillIn(page, name, password);
    return keepRecoveryKey(page);
}

async function fillIn(page: Page, name: string, password: string): Promise<void> {
    await page.getByLabel("User name").fill(name);
    await page.getByRole("textbox", { name: "Password", exact: true }).fill(password);
    await page.getByRole("button", { name: "Create account" }).click();
}

export async function keepRecoveryKey(page: Page): Promise<string> {
    const key = ((await page.getByTestId("recovery-key").textContent()) ?? "").trim().replace(/\s+/g, " ");
    await page.getByRole("button", { name: "I have kept it" }).click();
    await page.getByRole("heading", { name: "Chats" }).waitFor();
    return key;
}

export async function signIn(house: House, page: Page, name: string, password: string): Promise<void> {
    await page.goto(house.url);
    await page.getByLabel("User name").fill(name);
    await page.getByRole("textbox", { name: "Password", exact: true }).fill(password);
    await page.getByRole("button", { name: "Sign in" }).click();
}

/** The address of who is signed in there. */
export const address = (page: Page): Promise<string> => page.evaluate(() => (JSON.parse(localStorage.getItem("freehold.account")!) as { user: string }).user);

/** who: a name on this server, or the address of somebody on another. */
export async function beginChat(page: Page, who: string): Promise<void> {
    await page.getByRole("button", { name: "New chat" }).first().click();
    await page.getByLabel("Name or address").fill(who);
    await page.getByRole("button", { name: new RegExp(who.startsWith("@") ? who : `@${who}:`) }).click();
    await page.getByRole("textbox", { name: "Write a message" }).waitFor();
}

export async function write(page: Page, text: string): Promise<void> {
    const box = page.getByRole("textbox", { name: "Write a message" });
    await box.fill(text);
    if (await page.evaluate(() => matchMedia("(pointer: fine)").matches)) await box.press("Enter");
    else await page.getByRole("button", { name: "Send" }).click(); // on a phone Enter begins a line
}

export const openRoom = (page: Page, name: string): Promise<void> => page.getByRole("navigation").getByRole("link", { name: new RegExp(name) }).click();

/** The message with this text, in the conversation. */
export const message = (page: Page, text: string) => page.getByRole("log").getByRole("article").filter({ hasText: text });

/** Waits for what no locator can see. */
export async function until(page: Page, holds: () => Promise<boolean>): Promise<void> {
    for (const last = Date.now() + patience; !(await holds()); await page.waitForTimeout(50)) {
        if (Date.now() > last) throw new Error(`this has not come to hold: ${holds.toString()}`);
    }
}

/**
 * Waits until what an app keeps in a vault (store/vault.ts) says something, and gives what somebody sees there who copies the browser's files.
 * The name of its database begins so.
 */
export async function sealed(page: Page, vault: string, says: string): Promise<string> {
    const opened = (): Promise<{ sealed: string; clear: string }> => page.evaluate(async (vault) => {
        const name = (await indexedDB.databases()).map(({ name }) => name!).find((name) => name.startsWith(vault));
        if (!name) return { sealed: "", clear: "" };
        const done = <T>(request: IDBRequest<T>): Promise<T> => new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
        const db = await done(indexedDB.open(name));
        const key = await done(db.transaction("keys").objectStore("keys").get("key") as IDBRequest<CryptoKey>);
        const pages = await done(db.transaction("pages").objectStore("pages").getAll() as IDBRequest<{ iv: Uint8Array<ArrayBuffer>; data: ArrayBuffer }[]>);
        db.close();
        const clear = await Promise.all(pages.map(({ iv, data }) => crypto.subtle.decrypt({ name: "AES-GCM", iv }, key, data)));
        return { sealed: pages.map(({ data }) => new TextDecoder("latin1").decode(data)).join(), clear: clear.map((text) => new TextDecoder().decode(text)).join() };
    }, vault);
    let kept = { sealed: "", clear: "" };
    await until(page, async () => (kept = await opened()).clear.includes(says));
    return kept.sealed;
}
