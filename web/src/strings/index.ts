import { Value, useValue } from "../store/value";
import { en } from "./en";
import type { Strings } from "./en";

/** The languages. To add one, add a file beside ru.ts and a line here. English is always there, others when they are wanted. */
const loaders = {
    en: () => Promise.resolve(en),
    ru: () => import("./ru").then((file) => file.ru),
} satisfies Record<string, () => Promise<Strings>>;

export type Language = keyof typeof loaders;

/** Languages by their own names, for a menu. */
export const languages: Record<Language, string> = { en: "English", ru: "Русский" };

const place = "freehold.language";
const isLanguage = (tag: string | null | undefined): tag is Language => !!tag && tag in loaders;

const current = new Value<{ language: Language; strings: Strings }>({ language: "en", strings: en });

/** Takes the language that was chosen, or else the first of the browser's that there is. */
export async function loadLanguage(): Promise<void> {
    const saved = localStorage.getItem(place);
    const wanted = navigator.languages.map((tag) => tag.split("-")[0]).find(isLanguage);
    await show(isLanguage(saved) ? saved : (wanted ?? "en"));
}

export async function chooseLanguage(language: Language): Promise<void> {
    localStorage.setItem(place, language);
    await show(language);
}

async function show(language: Language): Promise<void> {
    current.set({ language, strings: await loaders[language]() });
    document.documentElement.lang = language;
}

export const useStrings = (): Strings => useValue(current).strings;
export const useLanguage = (): Language => useValue(current).language;
