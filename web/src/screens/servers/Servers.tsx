import { ArrowLeft, CircleCheck, CircleDashed, Globe, GlobeOff, RefreshCw, ServerOff, Timer } from "lucide-react";
import { useEffect } from "react";
import type { ReactNode } from "react";
import { IconButton } from "../../components/Button";
import { Note, Waiting } from "../../components/Page";
import { useSession } from "../../session/use";
import type { OtherServer, Side } from "../../store/beyond";
import { go, homePath } from "../../store/place";
import { useValue } from "../../store/value";
import { useLanguage, useStrings } from "../../strings";
import { ago, exact, moment } from "../../strings/dates";
import page from "../find/Find.module.css";
import styles from "./Servers.module.css";

/** On which side of a cut the person's server is, and how it stands with those of the conversations. */
export default function Servers(): ReactNode {
    const { beyond, link } = useSession();
    const side = useValue(beyond.side);
    const tells = useValue(beyond.tells);
    const reach = useValue(link.state);
    const strings = useStrings();
    const words = strings.beyond;
    const language = useLanguage();
    useEffect(() => beyond.watch(), [beyond]);
    return (
        <>
            <header className={page.head}>
                <IconButton label={strings.room.back} className={page.back} onClick={() => go(homePath)}><ArrowLeft size={22} /></IconButton>
                <h1>{words.title}</h1>
            </header>
            <div className={page.page} role="region" aria-label={words.title} tabIndex={0}>
                {reach.is !== "up" && <Note look="warn">{strings.link[reach.is === "silent" ? "lost" : "failing"](moment(reach.since, language))} {side && words.then}</Note>}
                {tells === false ? <Note>{words.mute}</Note>
                : side ? <Stand side={side} />
                : reach.is === "up" && <Waiting label={strings.groups.loading} />}
            </div>
        </>
    );
}

function Stand({ side }: { side: Side }): ReactNode {
    const words = useStrings().beyond;
    return (
        <>
            <Outside outside={side.outside} />
            <section className={page.part}>
                <h2>{words.servers}</h2>
                {side.servers.length === 0 ? <p>{words.none}</p> : <ul className={page.rows}>{side.servers.map((server) => <Row key={server.name} server={server} />)}</ul>}
                {side.more > 0 && <p>{words.more(side.more)}</p>}
            </section>
        </>
    );
}

const globes = { reached: Globe, cutOff: GlobeOff, rehearsal: Timer, unknown: CircleDashed };

function Outside({ outside }: { outside: Side["outside"] }): ReactNode {
    const words = useStrings().beyond;
    const language = useLanguage();
    const is = outside.is === "cutOff" && outside.rehearsal ? "rehearsal" : outside.is;
    const Icon = globes[is];
    const said = words.outside[is];
    return (
        <section className={styles.outside} data-is={is}>
            <Icon size={28} />
            <div>
                <h2>{typeof said === "string" ? said : said(moment(outside.since, language))}</h2>
                <p>{words.outsideLead[is]}</p>
                {outside.last > 0 && <Last at={outside.last} />}
            </div>
        </section>
    );
}

/** When something was last heard. */
function Last({ at }: { at: number }): ReactNode {
    const words = useStrings().beyond;
    const language = useLanguage();
    return <small title={exact(at, language)}>{words.last(ago(at, language))}</small>;
}

const signs = { reached: CircleCheck, silent: ServerOff, healing: RefreshCw, unknown: CircleDashed };

function Row({ server }: { server: OtherServer }): ReactNode {
    const words = useStrings().beyond;
    const language = useLanguage();
    const { name, standing, since, last, waiting, healing } = server;
    const Sign = signs[standing];
    const waits = waiting && [waiting.events > 0 && words.events(waiting.events), !healing && waiting.rooms > 0 && words.rooms(waiting.rooms), waiting.messages > 0 && words.notices(waiting.messages)].filter(Boolean);
    const done = healing && healing.of - healing.left;
    return (
        <li className={styles.server} data-is={standing} data-testid="server">
            <Sign size={22} />
            <div>
                <b dir="ltr" translate="no">{name}</b>
                <p>{standing === "silent" ? words.silentSince(moment(since, language)) : standing === "healing" ? words.healingNow : words[standing]}</p>
                {healing && (
                    <>
                        <progress value={done} max={healing.of} aria-label={words.healed(done!, healing.of)} />
                        <small aria-hidden="true">{words.healed(done!, healing.of)}</small>
                    </>
                )}
                {waits && waits.length > 0 && <small>{words.waiting} {waits.join(", ")}</small>}
                {last > 0 ? <Last at={last} /> : standing !== "unknown" && <small>{words.never}</small>}
            </div>
        </li>
    );
}
