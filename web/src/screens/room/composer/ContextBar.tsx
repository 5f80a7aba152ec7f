import { CornerUpLeft, Pencil, X } from "lucide-react";
import type { ReactNode } from "react";
import { IconButton } from "../../../components/Button";
import type { Context } from "../../../store/drafts";
import type { Timeline } from "../../../store/timeline";
import { useValue } from "../../../store/value";
import { useStrings } from "../../../strings";
import { gistText } from "../../../strings/gist";
import styles from "./Composer.module.css";

/** What is being answered or edited, above the field. */
export function ContextBar({ timeline, context, onCancel }: { timeline: Timeline; context: Context; onCancel: () => void }): ReactNode {
    const strings = useStrings();
    const words = strings.talk;
    useValue(timeline.state); // what is quoted may come, or change
    const id = context.edit ?? context.reply;
    if (!id) return null;
    const quote = timeline.quote(id);
    const Icon = context.edit ? Pencil : CornerUpLeft;
    return (
        <div className={styles.context}>
            <Icon size={18} />
            <button type="button" className={styles.quote} title={words.toQuoted} onClick={() => void timeline.jump(id)}>
                <b dir="auto">{context.edit ? words.editing : quote.mine ? words.replyingToSelf : words.replyingTo(quote.name)}</b>
                <span dir="auto">{quote.gist ? gistText(quote.gist, strings, { who: quote.name, mine: quote.mine }) : words.fetching}</span>
            </button>
            <IconButton label={words.cancel} onClick={onCancel}><X size={18} /></IconButton>
        </div>
    );
}
