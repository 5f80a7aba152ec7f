import { useState } from "react";
import type { ReactNode, SubmitEvent } from "react";
import { Button } from "../../../components/Button";
import { Dialog, DialogEnd } from "../../../components/Dialog";
import { Field } from "../../../components/Field";
import { useStrings } from "../../../strings";
import { useConversing } from "../conversing";

/** Goes to the messages of a day. */
export function DateDialog({ at, onClose }: { at: number; onClose: () => void }): ReactNode {
    const { timeline } = useConversing();
    const words = useStrings().talk.date;
    const [day, setDay] = useState(() => dayOf(at));
    const [today] = useState(() => dayOf(Date.now()));
    const [busy, setBusy] = useState(false);
    const [none, setNone] = useState(false);
    const jump = async (event: SubmitEvent): Promise<void> => {
        event.preventDefault();
        const [year, month, date] = day.split("-").map(Number);
        if (!year || !month || !date) return;
        setBusy(true);
        setNone(false);
        const found = await timeline.jumpToDate(new Date(year, month - 1, date).getTime());
        setBusy(false);
        if (found) onClose();
        else setNone(true);
    };
    return (
        <Dialog title={words.title} onClose={onClose}>
            <form onSubmit={(event) => void jump(event)}>
                <Field label={words.label} type="date" value={day} max={today} required autoFocus onChange={(event) => setDay(event.target.value)} problem={none ? words.none : undefined} />
                <DialogEnd><Button look="main" type="submit" busy={busy}>{words.go}</Button></DialogEnd>
            </form>
        </Dialog>
    );
}

/** As the field for dates wants it: 2026-11-22, in the time zone of the person. */
function dayOf(at: number): string {
    const date = new Date(at);
    return [date.getFullYear(), date.getMonth() + 1, date.getDate()].map((part) => String(part).padStart(2, "0")).join("-");
}
