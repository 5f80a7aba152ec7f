import { Compass, LayoutGrid, Megaphone, UserPlus, Users } from "lucide-react";
import { useState } from "react";
import type { ReactNode } from "react";
import { Dialog } from "../../components/Dialog";
import { Field } from "../../components/Field";
import { Note } from "../../components/Page";
import type { Person } from "../../session/people";
import { useSession } from "../../session/use";
import { explorePath, go, invitePath, roomPath } from "../../store/place";
import { useStrings } from "../../strings";
import { useDeed } from "../useDeed";
import styles from "./CreateDialog.module.css";
import { FoundPeople } from "./FoundPeople";
import { NewRoomForm } from "./NewRoomForm";

interface CreateDialogProps {
    space?: string; // in which something new is to be made
    onClose: () => void;
}

/** Something new: a conversation with the person who is chosen, a group, a channel, a space; or a way to others. */
export default function CreateDialog({ space = "", onClose }: CreateDialogProps): ReactNode {
    const strings = useStrings();
    const words = strings.groups;
    const [kind, setKind] = useState<"person" | "group" | "channel" | "space">(space ? "group" : "person");
    const title = kind === "person" ? strings.create.chat : words.make.title[kind];
    const leave = (path: string): void => {
        go(path);
        onClose();
    };
    const ways: [icon: ReactNode, name: string, about: string, act: () => void][] = [
        [<Users key="g" size={20} />, strings.create.group, words.make.what.group, () => setKind("group")],
        [<Megaphone key="c" size={20} />, words.make.title.channel, words.make.what.channel, () => setKind("channel")],
        [<LayoutGrid key="s" size={20} />, words.make.title.space, words.make.what.space, () => setKind("space")],
        [<Compass key="f" size={20} />, words.explore, "", () => leave(explorePath())],
        [<UserPlus key="i" size={20} />, words.invitePeople, "", () => leave(invitePath)],
    ];
    return (
        <Dialog title={title} onClose={onClose}>
            {kind === "person" ? (
                <div className={styles.form}>
                    <OnePerson onClose={onClose} />
                    <div className={styles.ways}>
                        {ways.map(([icon, name, about, act]) => (
                            <button key={name} type="button" className={styles.way} onClick={act}>
                                <span className={styles.icon}>{icon}</span><span className={styles.person}><b>{name}</b>{about && <span>{about}</span>}</span>
                            </button>
                        ))}
                    </div>
                </div>
            ) : <NewRoomForm key={kind} kind={kind} space={space} onClose={onClose} />}
        </Dialog>
    );
}

function OnePerson({ onClose }: { onClose: () => void }): ReactNode {
    const { people } = useSession();
    const words = useStrings().create;
    const [typed, setTyped] = useState("");
    const { busy, problem, act } = useDeed();
    const choose = (person: Person): void => act(async () => go(roomPath(await people.talkTo(person))), onClose);
    return (
        <>
            {problem && <Note look="bad">{problem}</Note>}
            <Field label={words.person} hint={words.personHint} value={typed} onChange={(event) => setTyped(event.target.value)} autoFocus autoComplete="off" autoCapitalize="none" spellCheck={false} />
            <FoundPeople typed={typed} busy={busy} without={[]} onChoose={choose} />
        </>
    );
}
