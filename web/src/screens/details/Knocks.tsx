import type { ReactNode } from "react";
import { Button } from "../../components/Button";
import { Note } from "../../components/Page";
import { useSession } from "../../session/use";
import { useStrings } from "../../strings";
import { Face } from "../Face";
import { useDeed } from "../useDeed";
import styles from "./Details.module.css";
import type { DetailProps } from "./Panel";

/** Who asks to come in, with what they say, for who may answer. */
export function Knocks({ info, members }: DetailProps): ReactNode {
    const { governing } = useSession();
    const words = useStrings().groups.info;
    const said = useStrings().groups.member.says;
    const { busy, problem, act } = useDeed();
    const asking = members?.filter((member) => member.membership === "knock") ?? [];
    if (asking.length === 0 || !info.may.invite) return null;
    return (
        <section className={styles.part}>
            <h3>{words.knocks}</h3>
            {problem && <Note look="bad">{problem}</Note>}
            {asking.map((member) => (
                <div key={member.id} className={styles.form}>
                    <div className={styles.pick}>
                        <Face id={member.id} name={member.name} picture={member.picture} />
                        <span className={styles.words}>
                            <b dir="auto">{member.name}</b><span>{member.id}</span>
                            {member.reason && <span className={styles.wrap} dir="auto">{said(member.reason)}</span>}
                        </span>
                    </div>
                    <div className={styles.pair}>
                        {member.may.kick && <Button disabled={busy} onClick={() => act(() => governing.kick(info.id, member.id, ""))}>{words.refuse}</Button>}
                        <Button look="main" busy={busy} onClick={() => act(() => governing.invite(info.id, member.id))}>{words.accept}</Button>
                    </div>
                </div>
            ))}
        </section>
    );
}
