import { kept } from "./kept";
import { Value } from "./value";

// How this device tells of messages. Which messages are told of is the account's: session/rules.ts.
export const sound = kept<"all" | "important" | "off">("sound", ["all", "important", "off"]);
export const banners = kept<"off" | "on">("banners", ["off", "on"]); // off until the person wants them: the browser asks once
export const titleCount = kept<"on" | "off">("title-count", ["on", "off"]);

const place = "freehold.quiet";
const saved = localStorage.getItem(place);

/** Until when this device shall be silent, in milliseconds; 0 when it may speak, Infinity until it is told otherwise. */
export const quietUntil = new Value<number>(saved === null ? 0 : Number(saved) || 0);
quietUntil.subscribe(() => {
    if (quietUntil.get() > 0) localStorage.setItem(place, String(quietUntil.get()));
    else localStorage.removeItem(place);
});

export const isQuiet = (now: number = Date.now()): boolean => quietUntil.get() > now;

/** The next moment at which it is this hour here. */
export function nextHour(hour: number, now: number = Date.now()): number {
    const date = new Date(now);
    date.setHours(hour, 0, 0, 0);
    if (date.getTime() <= now) date.setDate(date.getDate() + 1);
    return date.getTime();
}
