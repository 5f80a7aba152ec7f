import { ChevronRight, SlidersHorizontal } from "lucide-react";
import { useState } from "react";
import type { ChangeEvent, ReactNode, SyntheticEvent } from "react";
import { Button } from "../../components/Button";
import { Field } from "../../components/Field";
import { Note } from "../../components/Page";
import { TextArea } from "../../components/TextArea";
import { useSession } from "../../session/use";
import { go, roomPath } from "../../store/place";
import { useStrings } from "../../strings";
import { Face } from "../Face";
import { useDeed } from "../useDeed";
import { Access } from "./Access";
import { Addresses } from "./Addresses";
import styles from "./Details.module.css";
import { Encryption } from "./Encryption";
import type { DetailProps } from "./Panel";
import { Upgrade } from "./Upgrade";

/** Everything that can be set of a room. Who may not, can look. */
export function Settings({ info, members }: DetailProps): ReactNode {
    const words = useStrings().groups.settings;
    const { may } = info;
    const any = may.name || may.topic || may.picture || may.entry || may.history || may.alias || may.roles;
    return (
        <>
            {!any && <Note>{words.only}</Note>}
            <Look info={info} members={members} />
            {info.kind !== "person" && <Access info={info} />}
            {info.kind !== "person" && <Addresses info={info} />}
            {info.kind !== "space" && <Encryption info={info} />}
            <section className={styles.part}>
                <h3>{words.roles}</h3>
                <div className={styles.rows}>
                    <button type="button" className={styles.row} onClick={() => go(roomPath(info.id, "roles"))}>
                        <SlidersHorizontal size={20} /><span className={styles.words}>{words.roles}</span><ChevronRight size={18} className={styles.arrow} />
                    </button>
                </div>
            </section>
            <Upgrade info={info} />
        </>
    );
}

function Look({ info }: DetailProps): ReactNode {
    const { governing } = useSession();
    const words = useStrings().groups.settings;
    const save = useStrings().groups.save;
    const { busy, problem, act } = useDeed();
    const [typedName, setName] = useState<string>();
    const [typedTopic, setTopic] = useState<string>();
    const name = typedName ?? info.setName;
    const topic = typedTopic ?? info.topic;
    const [saved, setSaved] = useState(false);
    const changed = name !== info.setName || topic !== info.topic;
    const submit = (event: SyntheticEvent): void => {
        event.preventDefault();
        act(async () => {
            if (name !== info.setName) await governing.name(info.id, name.trim());
            if (topic !== info.topic) await governing.topic(info.id, topic.trim());
        }, () => setSaved(true));
    };
    return (
        <section className={styles.part}>
            <h3>{words.look}</h3>
            <Picture info={info} />
            <form className={styles.form} onSubmit={submit}>
                <Field label={words.name} value={name} disabled={!info.may.name} maxLength={100} autoComplete="off" onChange={(event) => { setName(event.target.value); setSaved(false); }} />
                <TextArea label={words.topic} value={topic} disabled={!info.may.topic} maxLength={1000} onChange={(event) => { setTopic(event.target.value); setSaved(false); }} />
                {problem && <Note look="bad">{problem}</Note>}
                {(info.may.name || info.may.topic) && <Button type="submit" look="main" busy={busy} disabled={!changed}>{saved && !changed ? words.saved : save}</Button>}
            </form>
        </section>
    );
}

function Picture({ info }: { info: DetailProps["info"] }): ReactNode {
    const { governing } = useSession();
    const words = useStrings().groups.settings;
    const { busy, act } = useDeed();
    const [bad, setBad] = useState(false);
    const choose = (event: ChangeEvent<HTMLInputElement>): void => {
        const file = event.target.files?.[0];
        event.target.value = "";
        if (!file) return;
        setBad(false);
        act(async () => {
            try {
                await governing.uploadPicture(info.id, file);
            } catch (error) {
                setBad(true);
                throw error;
            }
        });
    };
    return (
        <>
            <div className={styles.pick}>
                <Face id={info.id} name={info.name} picture={info.picture} size="large" />
                {info.may.picture && (
                    <div className={styles.pair}>
                        <span>
                            <input id="room-picture" type="file" accept="image/*" disabled={busy} onChange={choose} />
                            <label htmlFor="room-picture">{words.choosePicture}</label>
                        </span>
                        {info.picture && <Button disabled={busy} onClick={() => act(() => governing.picture(info.id, ""))}>{words.removePicture}</Button>}
                    </div>
                )}
            </div>
            {bad && <Note look="bad">{words.badPicture}</Note>}
        </>
    );
}
