import axe from "axe-core";
import type { Page } from "playwright-core";

/**
 * What stands in the way of people who use the screen with other means than most; by axe, the serious faults only. Focus guards
 * are invisible and pass the focus on at once: they are left out.
 */
export async function faultsOfAccess(page: Page): Promise<string[]> {
    await page.evaluate(axe.source); // by the debugger: the policy forbids pages to do this
    return page.evaluate(async () => {
        const passing = document.getAnimations().filter((animation) => animation.effect?.getComputedTiming().endTime !== Infinity);
        await Promise.allSettled(passing.map(({ finished }) => finished)); // what comes or goes is judged once it is there
        const { violations } = await (globalThis as unknown as { axe: typeof axe }).axe.run({ exclude: "[data-base-ui-focus-guard]" }, { resultTypes: ["violations"] });
        return violations
            .filter((violation) => violation.impact === "serious" || violation.impact === "critical")
            .flatMap((violation) => violation.nodes.map((node) => `${violation.id}: ${node.html.slice(0, 160)} ${node.any[0]?.message ?? ""}`));
    });
}
