import { useEffect, useState } from "react";
import type { ReactNode } from "react";
import { Button } from "../../components/Button";
import { Dialog, DialogEnd, DialogText } from "../../components/Dialog";
import { Note } from "../../components/Page";
import { useSession } from "../../session/use";
import type { RoomInfo } from "../../store/details";
import { go, roomPath } from "../../store/place";
import { useStrings } from "../../strings";
import { useDeed } from "../useDeed";
import styles from "./Details.module.css";

/** Moves a room on to newer rules, with what that means said before. Nothing when there are none newer. */
export function Upgrade({ info }: { info: RoomInfo }): ReactNode {
    const { governing } = useSession();
    const strings = useStrings().groups;
    const words = strings.settings;
    const { busy, problem, act } = useDeed();
    const [newer, setNewer] = useState<string>();
    const [asking, setAsking] = useState(false);
    useEffect(() => {
        let there = true;
        governing.newerVersion(info.version).then((version) => there && setNewer(version), () => undefined);
        return () => {
            there = false;
        };
    }, [governing, info.version]);
    if (!newer || !info.may.upgrade || info.successor) return <p className={styles.lead}>{strings.info.version(info.version)}</p>;
    return (
        <section className={styles.part}>
            <h3>{words.upgrade}</h3>
            <p className={styles.lead}>{words.upgradeLead(info.version, newer)}</p>
            <Button onClick={() => setAsking(true)}>{words.upgradeTitle}</Button>
            {asking && (
                <Dialog title={words.upgradeTitle} onClose={() => setAsking(false)}>
                    <DialogText>{words.upgradeExplained}</DialogText>
                    {problem && <Note look="bad">{problem}</Note>}
                    <DialogEnd>
                        <Button onClick={() => setAsking(false)}>{strings.cancel}</Button>
                        <Button look="bad" busy={busy} onClick={() => act(async () => go(roomPath(await governing.upgrade(info.id, newer))))}>{words.upgradeDo}</Button>
                    </DialogEnd>
                </Dialog>
            )}
        </section>
    );
}
