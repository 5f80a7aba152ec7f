import { Search, UserPlus } from "lucide-react";
import { useState } from "react";
import type { ReactNode } from "react";
import { VList } from "virtua";
import { Button } from "../../components/Button";
import { follow } from "../../components/follow";
import { Waiting } from "../../components/Page";
import type { Member } from "../../store/details";
import { go, roomPath } from "../../store/place";
import { useStrings } from "../../strings";
import { Face } from "../Face";
import styles from "./Details.module.css";
import type { DetailProps } from "./Panel";
import { roleName } from "./roleName";

const standings = ["join", "invite", "knock", "ban"] as const;

/** Who is in a room, who is invited, asks, or is banned. */
export function Members({ info, members }: DetailProps): ReactNode {
    const strings = useStrings();
    const words = strings.groups;
    const [typed, setTyped] = useState("");
    const [standing, setStanding] = useState<Member["membership"]>("join");
    if (!members) return <Waiting label={words.loading} />;
    const counts = standings.map((name) => ({ name, count: members.filter((member) => member.membership === name).length }));
    const offered = counts.filter(({ name, count }) => name === "join" || count > 0);
    const chosen = offered.some(({ name }) => name === standing) ? standing : "join";
    const term = typed.trim().toLocaleLowerCase();
    const shown = members.filter((member) => member.membership === chosen && (!term || `${member.name} ${member.id}`.toLocaleLowerCase().includes(term)));
    return (
        <>
            {info.may.invite && <Button look="main" onClick={() => go(roomPath(info.id, "invite"))}><UserPlus size={18} />{words.info.invite}</Button>}
            <label className={styles.search}>
                <Search size={18} aria-hidden="true" /><span className="unseen">{words.members.search}</span>
                <input type="search" value={typed} placeholder={words.members.search} onChange={(event) => setTyped(event.target.value)} />
            </label>
            {offered.length > 1 && (
                <div className={styles.chips} role="group" aria-label={words.members.title}>
                    {offered.map(({ name, count }) => (
                        <button key={name} type="button" className={styles.chip} aria-pressed={name === chosen} onClick={() => setStanding(name)}>{words.members[name]} {count}</button>
                    ))}
                </div>
            )}
            {shown.length === 0 ? <p className={styles.none}>{words.members.none}</p> : (
                <VList className={styles.fill} role="list">
                    {shown.map((member) => {
                        const path = roomPath(info.id, "member", member.id);
                        return (
                            <div role="listitem" key={member.id}>
                                <a className={styles.row} href={path} onClick={follow(() => go(path))}>
                                    <Face id={member.id} name={member.name} picture={member.picture} />
                                    <span className={styles.words}><b dir="auto">{member.name}</b><span>{member.mine ? words.members.you : member.id}</span></span>
                                    {member.role !== "member" && member.membership === "join" && <span className={styles.badge}>{roleName(member.power, strings)}</span>}
                                </a>
                            </div>
                        );
                    })}
                </VList>
            )}
        </>
    );
}
