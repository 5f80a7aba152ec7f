import { useEffect, useId, useState } from "react";
import type { KeyboardEvent, RefObject } from "react";
import { useSession } from "../../../session/use";
import type { RoomSummary } from "../../../store/rooms";
import type { Timeline } from "../../../store/timeline";
import { useLanguage, useStrings } from "../../../strings";
import type { Language } from "../../../strings";
import type { Strings } from "../../../strings/en";
import type { Suggestion, SuggestionsProps } from "./Suggestions";

const most = 8; // suggestions

interface Meant extends Suggestion {
    piece: string; // what is written for it
    user?: string;
}

/** What is typed before the cursor that could be completed. */
export function tokenAt(text: string, cursor: number): { mark: "@" | "#" | ":"; typed: string; from: number } | undefined {
    const [, mark, typed] = /(?:^|[\s(])([@#:])([\p{L}\p{N}._+-]*)$/u.exec(text.slice(0, cursor)) ?? [];
    if (!mark || typed === undefined || (mark === ":" && typed.length < 2)) return undefined;
    return { mark: mark as "@", typed, from: cursor - typed.length - 1 };
}

interface UseSuggestions {
    list: SuggestionsProps;
    field: Record<string, string | undefined>; // for the field, so that it says what is chosen
    pressed: (event: KeyboardEvent) => boolean; // whether the key was for the suggestions
    moved: () => void;
    close: () => void;
}

/** Completes names of people and rooms, and emoji, while they are typed. */
export function useSuggestions(
    area: RefObject<HTMLTextAreaElement | null>, text: string, timeline: Timeline, room: RoomSummary, put: (piece: string, from: number, to: number) => void,
): UseSuggestions {
    const id = useId();
    const strings = useStrings();
    const language = useLanguage();
    const { emoji } = useSession();
    const [cursor, setCursor] = useState<number | undefined>(undefined); // undefined: nothing is to be suggested
    const [options, setOptions] = useState<Meant[]>([]);
    const [at, setAt] = useState(0);
    const token = cursor === undefined ? undefined : tokenAt(text, cursor);
    const key = token && `${token.mark}${token.typed}`;

    useEffect(() => {
        let wanted = true;
        const [mark, typed] = [key?.[0], key?.slice(1) ?? ""];
        const found = mark === undefined ? Promise.resolve([]) : mark === ":" ? emojiFor(typed, language) : Promise.resolve(namesFor(mark, typed, timeline, room, strings));
        void found.then((list) => {
            if (!wanted) return;
            setOptions(list);
            setAt(0);
        }, () => undefined);
        return () => {
            wanted = false;
        };
    }, [key, timeline, room, strings, language]);

    const choose = (index: number): void => {
        const chosen = options[index];
        if (!chosen || !token) return;
        if (chosen.user) timeline.writing.mention(chosen.piece, chosen.user);
        if ("emoji" in chosen.face) emoji.use(chosen.face.emoji);
        put(`${chosen.piece} `, token.from, token.from + token.typed.length + 1);
        setOptions([]);
    };
    const pressed = (event: KeyboardEvent): boolean => {
        if (options.length === 0 || !token) return false;
        const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
        if (step) setAt((at + step + options.length) % options.length);
        else if (event.key === "Enter" || event.key === "Tab") choose(at);
        else if (event.key === "Escape") setCursor(undefined);
        else return false;
        event.preventDefault();
        return true;
    };
    const shown = token ? options : [];
    return {
        list: { id, options: shown, at, onChoose: choose },
        field: shown.length > 0 ? { "aria-autocomplete": "list", "aria-controls": id, "aria-activedescendant": `${id}-${at}` } : {},
        pressed,
        moved: () => {
            const box = area.current;
            setCursor(box && box.selectionStart === box.selectionEnd ? box.selectionStart : undefined);
        },
        close: () => setCursor(undefined),
    };
}

function namesFor(mark: string, typed: string, timeline: Timeline, room: RoomSummary, strings: Strings): Meant[] {
    if (mark === "#") {
        return timeline.roomsNamed(typed).slice(0, most).map(({ alias, name }) => ({ key: alias, face: { id: alias, name }, name, about: alias, piece: alias }));
    }
    const people = timeline.people(typed).slice(0, most).map(({ id, name }): Meant => ({ key: id, face: { id, name }, name, about: id, piece: `@${name}`, user: id }));
    const everyone: Meant[] = !room.direct && "room".startsWith(typed.toLowerCase()) && timeline.mayTellAll()
        ? [{ key: "@room", face: { id: room.id, name: room.name }, name: "@room", about: strings.talk.mention.everyone, piece: "@room" }] : [];
    return [...people, ...everyone];
}

async function emojiFor(typed: string, language: Language): Promise<Meant[]> {
    const { allEmoji, findEmoji, savedTone, toned } = await import("../emoji/emoji");
    const tone = savedTone();
    return findEmoji(await allEmoji(language), typed, most).map((entry) => {
        const piece = toned(entry, tone);
        return { key: piece, face: { emoji: piece }, name: entry.label, about: "", piece };
    });
}
