import { useEffect, useMemo, useRef, useState } from "react";
import type { KeyboardEvent, ReactNode } from "react";
import { VList } from "virtua";
import type { VListHandle } from "virtua";
import { Note } from "../../../components/Page";
import { useSession } from "../../../session/use";
import { useLanguage, useStrings } from "../../../strings";
import { useValue } from "../../../store/value";
import { allEmoji, findEmoji, savedTone, saveTone, toned } from "./emoji";
import type { Emoji } from "./emoji";
import styles from "./EmojiPicker.module.css";

const columns = 8;
const icons = ["😀", "👋", "🐻", "🍎", "🚗", "⚽", "💡", "💟", "🏳️"]; // of the groups, as they are named in strings
const groups = [0, 1, 3, 4, 5, 6, 7, 8, 9]; // as Unicode numbers them; 2 is parts
const tones = ["✋", "✋🏻", "✋🏼", "✋🏽", "✋🏾", "✋🏿"];

type Row = { title: string } | { row: Emoji[] };

/** All emoji, to choose one of. Arrow keys go through them; what is typed finds. */
export function EmojiPicker({ onChoose }: { onChoose: (emoji: string) => void }): ReactNode {
    const words = useStrings().talk.emoji;
    const language = useLanguage();
    const { emoji: use } = useSession();
    const recent = useValue(use.recent);
    const [all, setAll] = useState<Emoji[] | "failed">([]);
    const [typed, setTyped] = useState("");
    const [tone, setTone] = useState(savedTone);
    const list = useRef<VListHandle>(null);
    const field = useRef<HTMLInputElement>(null);
    useEffect(() => {
        void allEmoji(language).then(setAll, () => setAll("failed"));
    }, [language]);
    useEffect(() => {
        if (matchMedia("(pointer: fine)").matches) field.current?.focus();
    }, []);
    const { rows, starts } = useMemo(() => (all === "failed" ? { rows: [], starts: [] } : arranged(all, typed, recent, words)), [all, typed, recent, words]);
    const choose = (emoji: string): void => {
        use.use(emoji);
        onChoose(emoji);
    };
    const pressed = (event: KeyboardEvent<HTMLElement>): void => {
        const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
        if (step === undefined || event.target === field.current && Math.abs(step) === 1) return;
        const buttons = [...event.currentTarget.querySelectorAll<HTMLButtonElement>("[data-emoji]")];
        const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
        const next = at < 0 ? buttons[0] : step === -columns && at < columns ? field.current : buttons[at + step];
        if (!next) return;
        event.preventDefault();
        next.focus();
    };
    if (all === "failed") return <Note look="bad">{words.failed}</Note>;
    return (
        <div className={styles.picker} onKeyDown={pressed}>
            <input
                ref={field} type="search" className={styles.search} value={typed} placeholder={words.search} aria-label={words.search} onChange={(event) => setTyped(event.target.value)}
                onKeyDown={(event) => {
                    const first = rows.find((row) => "row" in row);
                    if (event.key !== "Enter" || !typed || !first) return;
                    event.preventDefault();
                    choose(toned(first.row[0]!, tone));
                }}
            />
            <div className={styles.tabs} role="group" aria-label={words.title}>
                {icons.map((icon, i) => (
                    <button key={icon} type="button" aria-label={words.groups[i]} title={words.groups[i]} onClick={() => { setTyped(""); list.current?.scrollToIndex(starts[i] ?? 0); }}>{icon}</button>
                ))}
            </div>
            {rows.length === 0 ? <p className={styles.none}>{all.length > 0 && words.none}</p> : (
                <VList ref={list} className={styles.list}>
                    {rows.map((row, i) => ("title" in row
                        ? <h3 key={row.title} className={styles.title}>{row.title}</h3>
                        : (
                            <div key={`${i} ${row.row[0]!.emoji}`} className={styles.row}>
                                {row.row.map((entry) => (
                                    <button key={entry.emoji} type="button" data-emoji="" aria-label={entry.label} title={entry.label} onClick={() => choose(toned(entry, tone))}>{toned(entry, tone)}</button>
                                ))}
                            </div>
                        )))}
                </VList>
            )}
            <div className={styles.tones} role="group" aria-label={words.skin}>
                {tones.map((hand, i) => (
                    <button key={hand} type="button" aria-pressed={tone === i} aria-label={`${words.skin}: ${hand}`} onClick={() => { setTone(i); saveTone(i); }}>{hand}</button>
                ))}
            </div>
        </div>
    );
}

/** The lines of the picker, and at which of them each group begins. */
function arranged(all: Emoji[], typed: string, recent: string[], words: { recent: string; groups: string[] }): { rows: Row[]; starts: number[] } {
    const lines = (list: Emoji[]): Row[] => Array.from({ length: Math.ceil(list.length / columns) }, (_, i) => ({ row: list.slice(i * columns, (i + 1) * columns) }));
    if (all.length === 0) return { rows: [], starts: [] };
    if (typed.trim()) return { rows: lines(findEmoji(all, typed, 120)), starts: [] };
    const byEmoji = new Map(all.map((entry) => [entry.emoji, entry]));
    const used = recent.slice(0, columns * 2).map((emoji): Emoji => byEmoji.get(emoji) ?? { emoji, label: emoji, words: "", group: 0, skins: [] });
    const rows: Row[] = [{ title: words.recent }, ...lines(used)];
    const starts = groups.map((group, i) => {
        const start = rows.length;
        rows.push({ title: words.groups[i]! }, ...lines(all.filter((entry) => entry.group === group)));
        return start;
    });
    return { rows, starts };
}
