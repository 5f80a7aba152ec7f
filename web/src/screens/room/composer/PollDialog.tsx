import { Plus, X } from "lucide-react";
import { useState } from "react";
import type { ReactNode, SubmitEvent } from "react";
import { Button, IconButton } from "../../../components/Button";
import { Dialog, DialogEnd } from "../../../components/Dialog";
import { Field } from "../../../components/Field";
import type { Timeline } from "../../../store/timeline";
import { useStrings } from "../../../strings";
import styles from "./PollDialog.module.css";

const most = 20; // answers, as the specification has it
const longest = 340; // characters of a question or an answer

/** Asks everybody in the conversation something. */
export function PollDialog({ timeline, onClose }: { timeline: Timeline; onClose: () => void }): ReactNode {
    const words = useStrings().talk.poll;
    const [question, setQuestion] = useState("");
    const [answers, setAnswers] = useState(["", ""]);
    const [several, setSeveral] = useState(false);
    const [hidden, setHidden] = useState(false);
    const given = answers.map((answer) => answer.trim()).filter(Boolean);
    const change = (at: number, answer: string): void => setAnswers(answers.map((other, i) => (i === at ? answer : other)));
    const ask = (event: SubmitEvent): void => {
        event.preventDefault();
        if (!question.trim() || given.length < 2) return;
        void timeline.acts.askPoll(question.trim(), given, several, hidden);
        onClose();
    };
    return (
        <Dialog title={words.create} onClose={onClose}>
            <form className={styles.form} onSubmit={ask}>
                <Field label={words.question} value={question} maxLength={longest} onChange={(event) => setQuestion(event.target.value)} autoFocus />
                {answers.map((answer, i) => (
                    <div key={i} className={styles.answer}>
                        <Field label={words.answer(i + 1)} value={answer} maxLength={longest} onChange={(event) => change(i, event.target.value)} />
                        {answers.length > 2 && <IconButton label={words.removeAnswer(i + 1)} onClick={() => setAnswers(answers.filter((_, at) => at !== i))}><X size={18} /></IconButton>}
                    </div>
                ))}
                {answers.length < most && <button type="button" className={styles.add} onClick={() => setAnswers([...answers, ""])}><Plus size={18} />{words.addAnswer}</button>}
                <label className={styles.check}><input type="checkbox" checked={several} onChange={(event) => setSeveral(event.target.checked)} />{words.several}</label>
                <label className={styles.check}><input type="checkbox" checked={hidden} onChange={(event) => setHidden(event.target.checked)} />{words.hidden}</label>
                <DialogEnd><Button look="main" type="submit" disabled={!question.trim() || given.length < 2}>{words.ask}</Button></DialogEnd>
            </form>
        </Dialog>
    );
}
