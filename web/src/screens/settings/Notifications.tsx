import { Play, X } from "lucide-react";
import { useState } from "react";
import type { ReactNode, SyntheticEvent } from "react";
import { Button } from "../../components/Button";
import { Choice } from "../../components/Choice";
import { Field } from "../../components/Field";
import { Note } from "../../components/Page";
import { Switch } from "../../components/Switch";
import { useSession } from "../../session/use";
import { playSound } from "../../store/chime";
import { banners, isQuiet, nextHour, quietUntil, sound, titleCount } from "../../store/quiet";
import { useValue } from "../../store/value";
import { useLanguage, useStrings } from "../../strings";
import { clock } from "../../strings/dates";
import { Buttons, Failed, Part } from "./parts";
import styles from "./Settings.module.css";
import { useAct } from "./useAct";

/** What the person is told of, and how this device does it. */
export function Notifications(): ReactNode {
    const { rules } = useSession();
    const state = useValue(rules.state);
    const words = useStrings().own.notifications;
    const { failed, run } = useAct();
    return (
        <>
            <Part title={words.device}>
                <Quiet />
                <Banners />
                <Switch label={words.titleCount} on={useValue(titleCount) === "on"} onChange={(on) => titleCount.set(on ? "on" : "off")} />
                <Choice label={words.sound} value={useValue(sound)} options={words.sounds} onChoose={(chosen) => sound.set(chosen)} />
                <Buttons><Button onClick={playSound}><Play size={18} />{words.listen}</Button></Buttons>
            </Part>
            <Part title={words.account} lead={words.accountLead}>
                <Failed when={failed} />
                <Switch label={words.on} hint={words.onHint} on={state.on} onChange={(on) => void run(() => rules.turn(on))} />
                <Choice label={words.direct} value={state.direct} options={words.levels} disabled={!state.on} onChoose={(level) => void run(() => rules.setLevel("direct", level))} />
                <Choice label={words.groups} value={state.groups} options={words.levels} disabled={!state.on} onChoose={(level) => void run(() => rules.setLevel("groups", level))} />
            </Part>
            <Part title={words.keywords} lead={words.keywordsLead}><Keywords words={state.keywords} /></Part>
        </>
    );
}

function Quiet(): ReactNode {
    const until = useValue(quietUntil);
    const language = useLanguage();
    const words = useStrings().own.notifications;
    if (isQuiet()) {
        return (
            <>
                <Note>{until === Infinity ? words.quietAlways : words.quietUntil(clock(until, language))}</Note>
                <Buttons><Button onClick={() => quietUntil.set(0)}>{words.quietOff}</Button></Buttons>
            </>
        );
    }
    return (
        <div className={styles.quiet}>
            <p><b>{words.quiet}</b><small>{words.quietHint}</small></p>
            <Buttons>
                <Button onClick={() => quietUntil.set(Date.now() + 3_600_000)}>{words.quietFor.hour}</Button>
                <Button onClick={() => quietUntil.set(nextHour(8))}>{words.quietFor.morning}</Button>
                <Button onClick={() => quietUntil.set(Infinity)}>{words.quietFor.always}</Button>
            </Buttons>
        </div>
    );
}

/** The browser asks the person once; who has refused must change it there. */
function Banners(): ReactNode {
    const words = useStrings().own.notifications;
    const on = useValue(banners) === "on";
    const [allowed, setAllowed] = useState(() => ("Notification" in globalThis ? Notification.permission : "denied"));
    const change = async (wanted: boolean): Promise<void> => {
        if (wanted && allowed === "default") {
            const answer = await Notification.requestPermission();
            setAllowed(answer);
            if (answer !== "granted") return;
        }
        banners.set(wanted ? "on" : "off");
    };
    const refused = allowed === "denied";
    return <Switch label={words.banners} hint={refused ? words.refused : words.bannersHint} on={on && allowed === "granted"} disabled={refused} onChange={(wanted) => void change(wanted)} />;
}

function Keywords({ words: keywords }: { words: string[] }): ReactNode {
    const { rules } = useSession();
    const words = useStrings().own.notifications;
    const [typed, setTyped] = useState("");
    const { busy, failed, run } = useAct();
    const submit = (event: SyntheticEvent): void => {
        event.preventDefault();
        const word = typed.trim();
        if (word) void run(() => rules.addKeyword(word), () => setTyped(""));
    };
    return (
        <>
            {keywords.length > 0 && (
                <ul className={styles.words} aria-label={words.keywords}>
                    {keywords.map((word) => (
                        <li key={word}>
                            <span dir="auto">{word}</span>
                            <button type="button" disabled={busy} aria-label={words.remove(word)} onClick={() => void run(() => rules.removeKeyword(word))}><X size={14} /></button>
                        </li>
                    ))}
                </ul>
            )}
            <form className={styles.pair} onSubmit={submit}>
                <Field label={words.keyword} value={typed} onChange={(e) => setTyped(e.target.value)} maxLength={100} autoComplete="off" autoCapitalize="none" />
                <Button type="submit" busy={busy} disabled={!typed.trim()}>{words.add}</Button>
            </form>
            <Failed when={failed} />
        </>
    );
}
