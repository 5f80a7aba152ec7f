import { Plus } from "lucide-react";
import type { ReactNode } from "react";
import type { Person } from "../../session/people";
import { useStrings } from "../../strings";
import { Face } from "../Face";
import styles from "./CreateDialog.module.css";
import { useFound } from "./useFound";

interface FoundPeopleProps {
    typed: string;
    busy: boolean;
    without: Person[];
    add?: boolean; // choosing adds the person to others
    onChoose: (person: Person) => void;
}

/** Who fits what has been typed, to choose from. */
export function FoundPeople({ typed, busy, without, add, onChoose }: FoundPeopleProps): ReactNode {
    const words = useStrings().create;
    const offered = useFound(typed)?.filter((person) => !without.some((other) => other.id === person.id));
    return (
        <ul className={styles.found}>
            {offered?.map((person) => (
                <li key={person.id}>
                    <button type="button" disabled={busy} onClick={() => onChoose(person)} title={add ? words.add(person.name) : undefined}>
                        <Face id={person.id} name={person.name} picture={person.picture} />
                        <span className={styles.person}><b>{person.name}</b><span>{person.id}</span></span>
                        {add && <Plus size={18} />}
                    </button>
                </li>
            ))}
            {offered?.length === 0 && <li className={styles.nobody}>{words.nobody}</li>}
        </ul>
    );
}
