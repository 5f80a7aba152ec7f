import { X } from "lucide-react";
import { useState } from "react";
import type { ReactNode, SyntheticEvent } from "react";
import { Button } from "../../components/Button";
import { Choice } from "../../components/Choice";
import { DialogEnd } from "../../components/Dialog";
import { Field } from "../../components/Field";
import { Note } from "../../components/Page";
import { TextArea } from "../../components/TextArea";
import { aliasOf } from "../../session/addresses";
import type { NewRoom, Openness } from "../../session/making";
import type { Person } from "../../session/people";
import { useSession } from "../../session/use";
import { go, roomPath } from "../../store/place";
import { useStrings } from "../../strings";
import { useDeed } from "../useDeed";
import styles from "./CreateDialog.module.css";
import { FoundPeople } from "./FoundPeople";

interface NewRoomFormProps {
    kind: NewRoom["kind"];
    space: string;
    onClose: () => void;
}

/** What a new group, channel or space needs to be known about. */
export function NewRoomForm({ kind, space, onClose }: NewRoomFormProps): ReactNode {
    const { making, finding, rooms } = useSession();
    const strings = useStrings();
    const words = strings.groups.make;
    const [name, setName] = useState("");
    const [topic, setTopic] = useState("");
    const [openness, setOpenness] = useState<Openness>(space ? "space" : "invite");
    const [alias, setAlias] = useState<string>();
    const [typed, setTyped] = useState("");
    const [members, setMembers] = useState<Person[]>([]);
    const [taken, setTaken] = useState(false);
    const { busy, problem, act } = useDeed();
    const address = alias ?? aliasOf(name);
    const choices: Partial<Record<Openness, string>> = {
        ...(space && { space: words.choices.space(rooms.get(space)?.name ?? "") }), invite: words.choices.invite, ask: words.choices.ask, public: words.choices.public,
    };
    const make = async (): Promise<void> => {
        setTaken(false);
        try {
            go(roomPath(await making.make({ kind, name: name.trim(), topic: topic.trim(), openness, alias: openness === "public" ? aliasOf(address) : "", people: members.map(({ id }) => id), space })));
        } catch (error) {
            setTaken((error as { errcode?: string }).errcode === "M_ROOM_IN_USE");
            throw error;
        }
    };
    const submit = (event: SyntheticEvent): void => {
        event.preventDefault();
        act(make, onClose);
    };
    return (
        <form className={styles.form} onSubmit={submit}>
            <p className={styles.what}>{words.what[kind]}</p>
            <Field label={kind === "group" ? words.groupName : words.name} value={name} onChange={(event) => setName(event.target.value)} required autoFocus autoComplete="off" maxLength={100} />
            {kind !== "group" && <TextArea label={words.topic} hint={words.optional} rows={2} value={topic} onChange={(event) => setTopic(event.target.value)} maxLength={500} />}
            {members.length > 0 && (
                <ul className={styles.members} aria-label={strings.create.members}>
                    {members.map((member) => (
                        <li key={member.id}>
                            {member.name}
                            <button type="button" aria-label={strings.create.remove(member.name)} onClick={() => setMembers(members.filter((other) => other !== member))}><X size={14} /></button>
                        </li>
                    ))}
                </ul>
            )}
            <Field
                label={strings.create.members} hint={strings.create.personHint} value={typed} onChange={(event) => setTyped(event.target.value)} autoComplete="off" autoCapitalize="none" spellCheck={false}
                onKeyDown={(event) => event.key === "Enter" && event.preventDefault()}
            />
            <FoundPeople typed={typed} busy={busy} without={members} add onChoose={(person) => { setMembers([...members, person]); setTyped(""); }} />
            <Choice
                label={words.openness} value={openness} options={choices as Record<Openness, string>} onChoose={setOpenness}
                hints={kind === "space" ? {} : { public: words.publicHint }}
            />
            {openness === "public" && (
                <Field
                    label={words.address} before="#" after={`:${finding.ownServer}`} value={address} onChange={(event) => setAlias(event.target.value)} required maxLength={100}
                    autoComplete="off" autoCapitalize="none" spellCheck={false} problem={taken ? words.addressTaken : undefined}
                />
            )}
            {problem && !taken && <Note look="bad">{problem}</Note>}
            <DialogEnd>
                <Button onClick={onClose}>{strings.create.cancel}</Button>
                <Button type="submit" look="main" busy={busy}>{words.make[kind]}</Button>
            </DialogEnd>
        </form>
    );
}
