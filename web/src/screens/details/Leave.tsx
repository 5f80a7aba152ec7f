import { useState } from "react";
import type { ReactNode } from "react";
import { Button } from "../../components/Button";
import { Note } from "../../components/Page";
import { Switch } from "../../components/Switch";
import { useSession } from "../../session/use";
import { go, homePath, roomPath } from "../../store/place";
import { useStrings } from "../../strings";
import { useDeed } from "../useDeed";
import styles from "./Details.module.css";
import type { DetailProps } from "./Panel";

/** Asks once more before a room is left, and says what follows from it. */
export function Leave({ info, members }: DetailProps): ReactNode {
    const { governing } = useSession();
    const words = useStrings().groups.leaving;
    const [forget, setForget] = useState(false);
    const { busy, problem, act } = useDeed();
    const others = members?.filter((member) => member.membership === "join" && !member.mine);
    const own = members?.find((member) => member.mine);
    const admins = others?.filter((member) => member.power >= 100).length;
    const back = info.entry === "public" ? words.lead.open : info.entry === "ask" || info.entry === "spaceOrAsk" ? words.lead.ask : words.lead.invite;
    return (
        <section className={styles.part}>
            <h3>{words.title[info.kind]}</h3>
            <p>{others?.length === 0 && info.entry !== "public" ? words.alone : back}</p>
            {info.kind === "space" && <p>{words.spaceRooms}</p>}
            {others && others.length > 0 && admins === 0 && (own?.power ?? 0) >= 100 && info.kind !== "person" && <Note look="warn">{words.lastAdmin}</Note>}
            {problem && <Note look="bad">{problem}</Note>}
            {info.kind !== "space" && <Switch label={words.forget} on={forget} onChange={setForget} />}
            <div className={styles.pair}>
                <Button onClick={() => go(roomPath(info.id))}>{words.stay}</Button>
                <Button look="bad" busy={busy} onClick={() => act(() => governing.leave(info.id, forget), () => go(homePath, true))}>{words.leave}</Button>
            </div>
        </section>
    );
}
