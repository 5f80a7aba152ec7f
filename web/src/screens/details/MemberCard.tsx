import { Gavel, MailX, UserCheck, UserX } from "lucide-react";
import { useState } from "react";
import type { ReactNode } from "react";
import { Button } from "../../components/Button";
import { Dialog, DialogEnd, DialogText } from "../../components/Dialog";
import { Field } from "../../components/Field";
import { Note, Waiting } from "../../components/Page";
import { Select } from "../../components/Select";
import { useSession } from "../../session/use";
import type { Member, RoomInfo } from "../../store/details";
import { rolePowers } from "../../store/roles";
import { useStrings } from "../../strings";
import { PersonCard } from "../person/PersonCard";
import { useDeed } from "../useDeed";
import styles from "./Details.module.css";
import type { DetailProps } from "./Panel";
import { roleName } from "./roleName";

/** A member: who it is, and what may be done about them here. */
export function MemberCard({ info, members, user }: DetailProps & { user: string }): ReactNode {
    const strings = useStrings();
    const words = strings.groups.member;
    if (!members) return <Waiting label={strings.groups.loading} />;
    const member = members.find(({ id }) => id === user);
    return (
        <>
            <PersonCard key={user} user={user} name={member?.name ?? user} picture={member?.picture ?? ""} here={info.id} />
            {member?.membership === "ban" && member.reason && <Note>{words.bannedFor(member.reason)}</Note>}
            {member && <Role info={info} member={member} />}
            {member && <Deeds info={info} member={member} />}
        </>
    );
}

function Role({ info, member }: { info: RoomInfo; member: Member }): ReactNode {
    const { governing } = useSession();
    const strings = useStrings();
    const words = strings.groups.role;
    const { busy, problem, act } = useDeed();
    const [asked, setAsked] = useState<number>();
    if (member.membership === "ban" || member.membership === "knock") return null;
    if (!member.may.role || member.power === Infinity) {
        return member.role === "member" ? null : <div className={styles.part}><h3>{words.title}</h3><p>{roleName(member.power, strings)}</p></div>;
    }
    const levels = new Set<number>([rolePowers.admin, rolePowers.moderator, info.powers.users_default ?? 0, member.power]);
    const options = [...levels].sort((a, b) => b - a).map((power): [string, string] => [String(power), roleName(power, strings)]);
    const change = (power: number): void => act(() => governing.role(info.id, member.id, power));
    return (
        <section className={styles.part}>
            <Select
                label={words.title} value={String(member.power)} options={options} disabled={busy}
                onChoose={(chosen) => (member.mine && Number(chosen) < member.power ? setAsked(Number(chosen)) : change(Number(chosen)))}
            />
            {problem && <Note look="bad">{problem}</Note>}
            {asked !== undefined && (
                <Dialog title={words.change} onClose={() => setAsked(undefined)}>
                    <DialogText>{words.own}</DialogText>
                    <DialogEnd>
                        <Button onClick={() => setAsked(undefined)}>{strings.groups.cancel}</Button>
                        <Button look="bad" onClick={() => { change(asked); setAsked(undefined); }}>{words.change}</Button>
                    </DialogEnd>
                </Dialog>
            )}
        </section>
    );
}

/** Removing, banning, and taking that back. */
function Deeds({ info, member }: { info: RoomInfo; member: Member }): ReactNode {
    const { governing } = useSession();
    const words = useStrings().groups.member;
    const { busy, problem, act } = useDeed();
    const [asking, setAsking] = useState<"kick" | "ban">();
    if (member.mine) return null;
    const { kick, ban } = member.may;
    return (
        <>
            {problem && <Note look="bad">{problem}</Note>}
            <div className={styles.rows}>
                {member.membership === "join" && kick && <button type="button" className={styles.row} data-bad="" onClick={() => setAsking("kick")}><UserX size={20} />{words.kick}</button>}
                {member.membership === "invite" && kick && (
                    <button type="button" className={styles.row} data-bad="" disabled={busy} onClick={() => act(() => governing.kick(info.id, member.id, ""))}><MailX size={20} />{words.uninvite}</button>
                )}
                {member.membership !== "ban" && ban && <button type="button" className={styles.row} data-bad="" onClick={() => setAsking("ban")}><Gavel size={20} />{words.ban}</button>}
                {member.membership === "ban" && kick && (
                    <button type="button" className={styles.row} disabled={busy} onClick={() => act(() => governing.unban(info.id, member.id))}><UserCheck size={20} />{words.unban}</button>
                )}
            </div>
            {asking && (
                <Why
                    title={asking === "kick" ? words.kickTitle(member.name) : words.banTitle(member.name)} lead={asking === "kick" ? words.kickLead : words.banLead}
                    label={words[asking]} onClose={() => setAsking(undefined)} deed={(reason) => governing[asking](info.id, member.id, reason)}
                />
            )}
        </>
    );
}

function Why({ title, lead, label, deed, onClose }: { title: string; lead: string; label: string; deed: (reason: string) => Promise<void>; onClose: () => void }): ReactNode {
    const words = useStrings().groups;
    const { busy, problem, act } = useDeed();
    const [reason, setReason] = useState("");
    return (
        <Dialog title={title} onClose={onClose}>
            <DialogText>{lead}</DialogText>
            {problem && <Note look="bad">{problem}</Note>}
            <Field label={words.member.reason} hint={words.make.optional} value={reason} onChange={(event) => setReason(event.target.value)} maxLength={500} autoComplete="off" />
            <DialogEnd>
                <Button onClick={onClose}>{words.cancel}</Button>
                <Button look="bad" busy={busy} onClick={() => act(() => deed(reason.trim()), onClose)}>{label}</Button>
            </DialogEnd>
        </Dialog>
    );
}
