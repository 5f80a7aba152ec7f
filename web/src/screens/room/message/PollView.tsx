import { CircleCheck, Circle, SquareCheck, Square } from "lucide-react";
import { useState } from "react";
import type { CSSProperties, ReactNode } from "react";
import { Button } from "../../../components/Button";
import { Dialog, DialogEnd, DialogText } from "../../../components/Dialog";
import type { PollState } from "../../../store/polls";
import { useStrings } from "../../../strings";
import { useConversing } from "../conversing";
import styles from "./PollView.module.css";

/** A poll: to vote in, and to see how it stands. */
export function PollView({ id, poll }: { id: string; poll: PollState }): ReactNode {
    const { timeline } = useConversing();
    const words = useStrings().talk.poll;
    const [ending, setEnding] = useState(false);
    const shown = poll.ended || !poll.hidden;
    const most = Math.max(...poll.answers.map((answer) => answer.votes));
    const choose = (answer: PollState["answers"][number]): void => {
        const chosen = poll.answers.filter((one) => one.mine).map((one) => one.id);
        const next = answer.mine ? chosen.filter((one) => one !== answer.id) : poll.several > 1 ? [...chosen, answer.id].slice(-poll.several) : [answer.id];
        void timeline.acts.vote(id, next);
    };
    const end = (): void => {
        setEnding(false);
        void timeline.acts.endPoll(id, words.endText(poll.answers.filter((answer) => answer.votes === most && most > 0).map((answer) => answer.text).join(", ")));
    };
    return (
        <div className={styles.poll} role="group" aria-label={`${words.name}: ${poll.question}`}>
            <h3 dir="auto">{poll.question}</h3>
            <p className={styles.lead}>{poll.ended ? words.ended : poll.hidden ? words.hiddenUntilEnd : poll.several > 1 ? words.severalHint : words.name}</p>
            <ul>
                {poll.answers.map((answer) => {
                    const Mark = poll.several > 1 ? (answer.mine ? SquareCheck : Square) : answer.mine ? CircleCheck : Circle;
                    const part = poll.voters > 0 ? Math.round((100 * answer.votes) / poll.voters) : 0;
                    return (
                        <li key={answer.id}>
                            <button
                                type="button" className={styles.answer} aria-pressed={answer.mine} disabled={poll.ended} onClick={() => choose(answer)}
                                data-most={poll.ended && answer.votes === most && most > 0 ? "" : undefined}
                            >
                                <Mark size={18} />
                                <span className={styles.text} dir="auto">{answer.text}</span>
                                {shown && <span className="unseen">{words.voters(answer.votes)}</span>}
                                {shown && <span className={styles.part} aria-hidden="true">{part} %</span>}
                                {shown && <span className={styles.bar} style={{ "--part": part / 100 } as CSSProperties} />}
                            </button>
                        </li>
                    );
                })}
            </ul>
            <p className={styles.foot}>
                <span>{shown ? (poll.voters > 0 ? words.voters(poll.voters) : words.noVotes) : ""}</span>
                {poll.mayEnd && <button type="button" onClick={() => setEnding(true)}>{words.end}</button>}
            </p>
            {ending && (
                <Dialog title={words.endTitle} onClose={() => setEnding(false)}>
                    <DialogText>{words.endLead}</DialogText>
                    <DialogEnd><Button look="main" onClick={end}>{words.end}</Button></DialogEnd>
                </Dialog>
            )}
        </div>
    );
}
