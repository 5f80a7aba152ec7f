import type { ReactNode } from "react";
import { hueOf } from "../../../components/Avatar";
import type { Quote } from "../../../store/items";
import { useStrings } from "../../../strings";
import { gistText } from "../../../strings/gist";
import { useConversing } from "../conversing";
import styles from "./QuoteView.module.css";

/** What a message answers, above it; it leads there. */
export function QuoteView({ quote }: { quote: Quote }): ReactNode {
    const { timeline } = useConversing();
    const strings = useStrings();
    const words = strings.talk;
    return (
        <button type="button" className={styles.quote} data-hue={quote.sender ? hueOf(quote.sender) : undefined} title={words.toQuoted} onClick={() => void timeline.jump(quote.id)}>
            <b dir="auto">{quote.mine ? words.you : quote.name}</b>
            <span dir="auto">{quote.gist ? gistText(quote.gist, strings, { who: quote.name, mine: quote.mine }) : words.fetching}</span>
        </button>
    );
}
