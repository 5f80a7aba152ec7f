import { useState } from "react";
import type { SyntheticEvent } from "react";
import { useStrings } from "../../strings";
import { refusalOf } from "./refusal";
import type { Refusal } from "./refusal";

interface Entry {
    busy: boolean;
    refusal: Refusal | undefined;
    /** The text for a field, when it is the one that was refused. */
    problem: (field: Refusal["field"]) => string | undefined;
    submit: (event: SyntheticEvent) => void;
}

/** A form that lets somebody in: busy while the server is asked, and then done or refused. */
export function useEntry(where: "signIn" | "register", least: number, enter: () => Promise<void>): Entry {
    const strings = useStrings();
    const [busy, setBusy] = useState(false);
    const [refusal, setRefusal] = useState<Refusal>();
    const submit = (event: SyntheticEvent): void => {
        event.preventDefault();
        setBusy(true);
        setRefusal(undefined);
        enter().catch((error: unknown) => {
            setRefusal(refusalOf(error, strings, where, least));
            setBusy(false);
        });
    };
    return { busy, refusal, submit, problem: (field) => (refusal?.field === field ? refusal.text : undefined) };
}
