import { ArrowLeft, QrCode as QrIcon, Trash2 } from "lucide-react";
import { useEffect, useState } from "react";
import type { ReactNode } from "react";
import { Button, IconButton } from "../../components/Button";
import { LinkField } from "../../components/LinkField";
import { Note, Waiting } from "../../components/Page";
import { QrCode } from "../../components/QrCode";
import { Select } from "../../components/Select";
import { ownServer } from "../../session/entry";
import type { Ticket } from "../../session/inviting";
import { useSession } from "../../session/use";
import { go, homePath, joinLink, userLink } from "../../store/place";
import { useLanguage, useStrings } from "../../strings";
import { exact } from "../../strings/dates";
import styles from "../find/Find.module.css";
import { problemOf, useDeed } from "../useDeed";

type Means = Awaited<ReturnType<ReturnType<typeof useSession>["inviting"]["means"]>>;

/** Inviting people to this server: with links that make accounts, as the server allows, and to oneself. */
export default function Tickets(): ReactNode {
    const { inviting, account } = useSession();
    const strings = useStrings();
    const words = strings.groups.tickets;
    const [means, setMeans] = useState<Means>();
    const [problem, setProblem] = useState<string>();
    const [round, setRound] = useState(0); // asked anew when something has changed
    useEffect(() => {
        let here = true;
        inviting.means().then((found) => here && setMeans(found), (error: unknown) => here && setProblem(problemOf(error, strings)));
        return () => {
            here = false;
        };
    }, [inviting, strings, round]);
    return (
        <>
            <header className={styles.head}>
                <IconButton label={strings.room.back} className={styles.back} onClick={() => go(homePath)}><ArrowLeft size={22} /></IconButton>
                <h1>{words.title}</h1>
            </header>
            <div className={styles.page}>
                {problem && <Note look="bad">{problem}</Note>}
                {isOnlyHere(account.homeserver) && <Note look="warn">{words.onlyHere}</Note>}
                {!means && !problem && <Waiting label={strings.groups.loading} />}
                {means?.by === "tickets" && <Make tickets={means.tickets} onChange={() => setRound(round + 1)} />}
                {means?.by === "open" && (
                    <section className={styles.part}>
                        <p>{words.open}</p>
                        <div className={styles.center}><QrCode data={joinLink(account.homeserver, "")} label={words.qr} /></div>
                        <LinkField label={words.link} link={joinLink(account.homeserver, "")} />
                    </section>
                )}
                {means?.by === "nothing" && <Note>{words.nothing}</Note>}
                <section className={styles.part}>
                    <p>{words.mine}</p>
                    <LinkField label={words.mineField} link={userLink(ownServer(), account.user)} />
                </section>
            </div>
        </>
    );
}

/** Whether the server's address, as this browser knows it, leads others to their own machines. */
const isOnlyHere = (homeserver: string): boolean => /^(localhost|127\.[\d.]+|\[::1\])$/.test(new URL(homeserver).hostname);

const uses = { once: 1, five: 5, fifty: 50, any: undefined };
const days = { day: 1, week: 7, month: 30, ever: undefined };

function Make({ tickets, onChange }: { tickets: Ticket[]; onChange: () => void }): ReactNode {
    const { inviting, account } = useSession();
    const words = useStrings().groups.tickets;
    const [use, setUse] = useState<keyof typeof uses>("once");
    const [last, setLast] = useState<keyof typeof days>("week");
    const [shown, setShown] = useState<string>();
    const { busy, problem, act } = useDeed();
    const make = async (): Promise<void> => {
        setShown((await inviting.make(uses[use], days[last])).token);
        onChange();
    };
    return (
        <>
            <section className={styles.part}>
                <p>{words.lead}</p>
                <Select label={words.uses} value={use} options={Object.entries(words.use)} onChoose={(chosen) => setUse(chosen as keyof typeof uses)} />
                <Select label={words.lasts} value={last} options={Object.entries(words.last)} onChoose={(chosen) => setLast(chosen as keyof typeof days)} />
                <Button look="main" busy={busy} onClick={() => act(make)}>{words.make}</Button>
                {problem && <Note look="bad">{problem}</Note>}
            </section>
            {shown && (
                <section className={styles.part} aria-live="polite">
                    <div className={styles.center}><QrCode data={joinLink(account.homeserver, shown)} label={words.qr} /></div>
                    <LinkField key={shown} label={words.link} link={joinLink(account.homeserver, shown)} />
                </section>
            )}
            {tickets.length > 0 && (
                <section className={styles.part}>
                    <h2>{words.others}</h2>
                    <ul className={styles.rows}>
                        {tickets.map((ticket) => (
                            <Line key={ticket.token} ticket={ticket} onShow={() => setShown(ticket.token)} onWithdraw={() => act(async () => {
                                await inviting.withdraw(ticket.token);
                                if (shown === ticket.token) setShown(undefined);
                                onChange();
                            })} />
                        ))}
                    </ul>
                </section>
            )}
        </>
    );
}

function Line({ ticket, onShow, onWithdraw }: { ticket: Ticket; onShow: () => void; onWithdraw: () => void }): ReactNode {
    const words = useStrings().groups.tickets;
    const language = useLanguage();
    const facts = [words.left(ticket.left), ticket.used > 0 && words.used(ticket.used), ticket.until && words.until(exact(ticket.until, language))].filter(Boolean).join(" · ");
    return (
        <li className={styles.row}>
            <span className={styles.words}><b translate="no">{ticket.token.slice(0, 4)}…</b><span className={styles.about}>{facts}</span></span>
            <IconButton label={`${words.show}: ${ticket.token.slice(0, 4)}`} onClick={onShow}><QrIcon size={18} /></IconButton>
            <IconButton label={`${words.withdraw}: ${ticket.token.slice(0, 4)}`} onClick={onWithdraw}><Trash2 size={18} /></IconButton>
        </li>
    );
}
