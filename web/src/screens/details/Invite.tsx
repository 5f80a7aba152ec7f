import { UserPlus } from "lucide-react";
import { useState } from "react";
import type { ReactNode } from "react";
import { Field } from "../../components/Field";
import { Note } from "../../components/Page";
import { useSession } from "../../session/use";
import type { Member } from "../../store/details";
import { useStrings } from "../../strings";
import { useFound } from "../create/useFound";
import { Face } from "../Face";
import { useDeed } from "../useDeed";
import styles from "./Details.module.css";
import { RoomLinkField } from "./LinkPanel";
import type { DetailProps } from "./Panel";

/** Inviting people into a room. */
export function Invite({ info, members }: DetailProps): ReactNode {
    const { governing } = useSession();
    const strings = useStrings();
    const words = strings.groups.invite;
    const [typed, setTyped] = useState("");
    const { busy, problem, act } = useDeed();
    const found = useFound(typed);
    const standing = (id: string): Member["membership"] | undefined => members?.find((member) => member.id === id)?.membership;
    return (
        <>
            <section className={styles.part}>
                <Field label={words.who} hint={strings.create.personHint} value={typed} onChange={(event) => setTyped(event.target.value)} autoComplete="off" autoCapitalize="none" spellCheck={false} />
                {problem && <Note look="bad">{problem}</Note>}
                <ul className={styles.rows}>
                    {found?.map((person) => {
                        const now = standing(person.id);
                        const label = now === "join" ? words.in : now === "invite" ? words.done : now === "ban" ? words.banned : undefined;
                        return (
                            <li key={person.id}>
                                <button type="button" className={styles.row} disabled={busy || label !== undefined} aria-label={label ? `${person.name}: ${label}` : words.invite(person.name)} onClick={() => act(() => governing.invite(info.id, person.id))}>
                                    <Face id={person.id} name={person.name} picture={person.picture} />
                                    <span className={styles.words}><b dir="auto">{person.name}</b><span>{person.id}</span></span>
                                    {label ? <span className={styles.badge}>{label}</span> : <UserPlus size={18} />}
                                </button>
                            </li>
                        );
                    })}
                    {found?.length === 0 && <li className={styles.none}>{strings.create.nobody}</li>}
                </ul>
            </section>
            <section className={styles.part}>
                <h3>{words.link}</h3>
                <RoomLinkField info={info} />
            </section>
        </>
    );
}
