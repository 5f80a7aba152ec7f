import type { CompactEmoji } from "emojibase";
import type { Language } from "../../../strings";

/** An emoji as it is shown and found. */
export interface Emoji {
    emoji: string;
    label: string;
    words: string; // to be searched, in small letters
    group: number;
    skins: string[]; // in five tones, from light to dark; none for most
}

const loaders: Record<Language, () => Promise<CompactEmoji[]>> = {
    en: () => import("emojibase-data/en/compact.json").then((file) => file.default),
    ru: () => import("emojibase-data/ru/compact.json").then((file) => file.default),
};
const loaded = new Map<Language, Promise<Emoji[]>>();
const component = 2; // the group of parts that are no emoji by themselves

/** All emoji in the order of Unicode; loaded when they are first wanted. */
export function allEmoji(language: Language): Promise<Emoji[]> {
    const known = loaded.get(language) ?? loaders[language]().then(prepare);
    loaded.set(language, known);
    known.catch(() => loaded.delete(language));
    return known;
}

function prepare(list: CompactEmoji[]): Emoji[] {
    return list
        .filter((entry) => entry.group !== undefined && entry.group !== component)
        .sort((a, b) => (a.order ?? 0) - (b.order ?? 0))
        .map((entry) => ({
            emoji: entry.unicode,
            label: entry.label,
            words: [entry.label, ...(entry.tags ?? [])].join(" ").toLocaleLowerCase(),
            group: entry.group!,
            skins: (entry.skins ?? []).slice(0, 5).map((skin) => skin.unicode),
        }));
}

/** Emoji of which every typed word begins a word; the nearest first: those that are called so. */
export function findEmoji(list: Emoji[], typed: string, most: number): Emoji[] {
    const wanted = typed.toLocaleLowerCase().split(/[\s_]+/).filter(Boolean);
    if (wanted.length === 0) return [];
    const fits = (text: string): boolean => wanted.every((word) => ` ${text}`.includes(` ${word}`));
    const found = list.filter((entry) => fits(entry.words));
    const called = (entry: Emoji): number => (entry.label.toLocaleLowerCase() === wanted.join(" ") ? 0 : fits(entry.label.toLocaleLowerCase()) ? 1 : 2);
    return found.sort((a, b) => called(a) - called(b)).slice(0, most);
}

const tonePlace = "freehold.skin-tone";

/** The tone of skin that this person has chosen; 0: none, as emoji are by themselves. */
export const savedTone = (): number => Number(localStorage.getItem(tonePlace) ?? 0) || 0;
export const saveTone = (tone: number): void => localStorage.setItem(tonePlace, String(tone));
export const toned = (entry: Emoji, tone: number): string => (tone > 0 ? (entry.skins[tone - 1] ?? entry.emoji) : entry.emoji);
