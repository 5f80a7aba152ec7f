import { useEffect, useState } from "react";
import type { Person } from "../../session/people";
import { useSession } from "../../session/use";

/** Who fits what has been typed, asked once the typing pauses; undefined while nothing is known. */
export function useFound(typed: string): Person[] | undefined {
    const { people } = useSession();
    const [found, setFound] = useState<{ typed: string; people: Person[] }>();
    useEffect(() => {
        let here = true;
        const timer = setTimeout(() => {
            people.find(typed).then(
                (answer) => here && setFound({ typed, people: answer }),
                () => here && setFound({ typed, people: [] }),
            );
        }, 250);
        return () => {
            here = false;
            clearTimeout(timer);
        };
    }, [people, typed]);
    return typed.trim() ? found?.people : undefined;
}
