import { useEffect, useState } from "react";
import { useSession } from "../../../session/use";
import type { Answer } from "../../../store/search/finding";

const pause = 250; // milliseconds without typing after which is searched

/** What is found for what is typed. */
export function useFinding(question: string, room: string | undefined): { answer: Answer | undefined; busy: boolean } {
    const { search } = useSession();
    const [state, setState] = useState<{ answer: Answer | undefined; of: string }>({ answer: undefined, of: "" });
    const wanted = question.trim();
    const of = `${room ?? ""} ${wanted}`;
    useEffect(() => {
        if (wanted.length < 2) return;
        let newest = true;
        const timer = setTimeout(() => {
            void search.find(wanted, room).then((answer) => newest && setState({ answer, of }));
        }, pause);
        return () => {
            newest = false;
            clearTimeout(timer);
        };
    }, [wanted, room, of, search]);
    if (wanted.length < 2) return { answer: undefined, busy: false };
    return { answer: state.answer, busy: state.of !== of };
}
