import { GlobeOff, RefreshCw, ServerOff, Timer } from "lucide-react";
import type { ReactNode } from "react";
import type { Line } from "../../store/beyond";
import { go, serversPath } from "../../store/place";
import { useLanguage, useStrings } from "../../strings";
import type { Strings } from "../../strings/en";
import { moment } from "../../strings/dates";
import styles from "./LinkLine.module.css";

const icons = { cutOff: GlobeOff, rehearsal: Timer, alone: ServerOff, silent: ServerOff, healing: RefreshCw };

/** Who cannot be reached from the server, in one line; the page about it is a step away. */
export function BeyondLine({ line }: { line: Line }): ReactNode {
    const words = useStrings().beyond;
    const language = useLanguage();
    const Icon = icons[line.is];
    return (
        <p className={styles.line} role="status">
            <Icon size={18} />
            <span>{textOf(line, words, language)} <button type="button" onClick={() => go(serversPath)}>{words.details}</button></span>
        </p>
    );
}

function textOf(line: Line, words: Strings["beyond"], language: string): string {
    switch (line.is) {
        case "cutOff":
        case "rehearsal":
            return words[line.is](moment(line.since, language));
        case "alone":
            return words.alone(line.servers, moment(line.since, language));
        case "silent":
            return line.servers.length === 1 ? words.silent(line.servers[0]!, moment(line.since, language)) : words.silentMany(line.servers.length);
        case "healing":
            return words.healing(line.server);
    }
}
