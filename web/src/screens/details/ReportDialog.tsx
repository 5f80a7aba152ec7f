import { useState } from "react";
import type { ReactNode } from "react";
import { Button } from "../../components/Button";
import { Dialog, DialogEnd, DialogText } from "../../components/Dialog";
import { Note } from "../../components/Page";
import { TextArea } from "../../components/TextArea";
import { useStrings } from "../../strings";
import { useDeed } from "../useDeed";

interface ReportDialogProps {
    name: string;
    report: (reason: string) => Promise<void>;
    onClose: () => void;
}

/** Tells the administrators of the own server about something. */
export function ReportDialog({ name, report, onClose }: ReportDialogProps): ReactNode {
    const strings = useStrings();
    const words = strings.groups.report;
    const [reason, setReason] = useState("");
    const [done, setDone] = useState(false);
    const { busy, problem, act } = useDeed();
    return (
        <Dialog title={words.title(name)} onClose={onClose}>
            <DialogText>{done ? words.done : words.lead}</DialogText>
            {problem && <Note look="bad">{problem}</Note>}
            {done ? <DialogEnd><Button look="main" onClick={onClose}>{strings.groups.close}</Button></DialogEnd> : (
                <>
                    <TextArea label={words.reason} value={reason} onChange={(event) => setReason(event.target.value)} maxLength={1000} autoFocus />
                    <DialogEnd>
                        <Button onClick={onClose}>{strings.groups.cancel}</Button>
                        <Button look="bad" busy={busy} disabled={!reason.trim()} onClick={() => act(() => report(reason.trim()), () => setDone(true))}>{words.send}</Button>
                    </DialogEnd>
                </>
            )}
        </Dialog>
    );
}
