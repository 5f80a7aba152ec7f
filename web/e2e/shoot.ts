// What all of `npm run shots` share: pictures of a screen, light and dark, into shots/, each looked at by axe.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { devices } from "playwright-core";
import type { BrowserContextOptions, Page } from "playwright-core";
import { faultsOfAccess } from "./access.ts";
import { House } from "./house.ts";

const shots = join(import.meta.dirname, "../shots");
mkdirSync(shots, { recursive: true });

export const phoneForm = { ...devices["iPhone 13"], defaultBrowserType: undefined } as BrowserContextOptions;

export type Shoot = (page: Page, name: string) => Promise<void>;

/** Takes the pictures of one set: their names begin with it. Whatever is wrong with a screen fails when all have been taken. */
export async function takePictures(set: string, run: (house: House, shoot: Shoot) => Promise<void>, env: Record<string, string> = {}): Promise<void> {
    const house = await House.build(env);
    const shoot: Shoot = async (page, name) => {
        for (const theme of ["light", "dark"] as const) {
            await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
            await page.waitForTimeout(300);
            await page.screenshot({ path: join(shots, `${set}-${name}-${theme}.png`) });
            house.faults.push(...(await faultsOfAccess(page)).map((fault) => `${set}-${name}, ${theme}: ${fault}`));
        }
        await page.emulateMedia({ colorScheme: "light" });
    };
    try {
        await run(house, shoot);
        if (house.faults.length > 0) throw new Error(house.faults.join("\n"));
    } catch (error) {
        for (const [i, page] of house.browser.contexts().flatMap((context) => context.pages()).entries()) {
            await page.screenshot({ path: join(shots, `failed-${set}-${i}.png`) });
        }
        throw error;
    } finally {
        await house.close();
    }
}
