import type { Strings } from "./en";

const formats = new Map<string, Intl.DateTimeFormat>();

/** Formats are slow to make and fast to use. */
function format(language: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
    const key = language + JSON.stringify(options);
    const made = formats.get(key) ?? new Intl.DateTimeFormat(localeOf(language), options);
    formats.set(key, made);
    return made;
}

/** The language as it is written where the person is: en-GB has 14:05, en-US 2:05 PM. */
const localeOf = (language: string): string => navigator.languages.find((tag) => tag.split("-")[0] === language) ?? language;

/** "14:05". */
export const clock = (at: number, language: string): string => format(language, { hour: "numeric", minute: "2-digit" }).format(at);

/** How many midnights lie between two moments. */
export function daysBetween(earlier: number, later: number): number {
    const midnight = (at: number): number => new Date(at).setHours(0, 0, 0, 0);
    return Math.round((midnight(later) - midnight(earlier)) / 86_400_000);
}

/** When something was, as short as it can be said in a list: a time of today, a day of this week, or a date. */
export function brief(at: number, language: string, now: number = Date.now()): string {
    const days = daysBetween(at, now);
    if (days <= 0) return clock(at, language);
    if (days < 7) return format(language, { weekday: "short" }).format(at);
    const sameYear = new Date(at).getFullYear() === new Date(now).getFullYear();
    return format(language, sameYear ? { day: "numeric", month: "short" } : { day: "numeric", month: "numeric", year: "2-digit" }).format(at);
}

/** "14:05" of today, else with its day. */
export const moment = (at: number, language: string, now: number = Date.now()): string =>
    daysBetween(at, now) <= 0 ? clock(at, language) : `${brief(at, language, now)}, ${clock(at, language)}`;

const relatives = new Map<string, Intl.RelativeTimeFormat>();

/** "3 minutes ago", and a date for what is longer ago than a week. */
export function ago(at: number, language: string, now: number = Date.now()): string {
    const days = daysBetween(at, now);
    if (days > 7) return dated(at, language);
    const relative = relatives.get(language) ?? new Intl.RelativeTimeFormat(localeOf(language), { numeric: "auto" });
    relatives.set(language, relative);
    const minutes = Math.max(0, Math.floor((now - at) / 60_000)); // clocks differ
    return minutes < 1 ? relative.format(0, "second") : minutes < 60 ? relative.format(-minutes, "minute")
        : days < 1 ? relative.format(-Math.floor(minutes / 60), "hour") : relative.format(-days, "day");
}

/** A day, as a heading between messages. */
export function dayName(at: number, language: string, words: Strings["room"], now: number = Date.now()): string {
    const days = daysBetween(at, now);
    if (days === 0) return words.today;
    if (days === 1) return words.yesterday;
    const sameYear = new Date(at).getFullYear() === new Date(now).getFullYear();
    return format(language, { weekday: "long", day: "numeric", month: "long", ...(!sameYear && { year: "numeric" }) }).format(at);
}

/** A date and a time, for lists in which both count. */
export const dated = (at: number, language: string): string => format(language, { dateStyle: "medium", timeStyle: "short" }).format(at);

/** The whole of it, for who asks. */
export const exact = (at: number, language: string): string => format(language, { dateStyle: "full", timeStyle: "medium" }).format(at);
