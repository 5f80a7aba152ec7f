import { memo } from "react";
import type { ReactNode } from "react";
import type { Item } from "../../store/items";
import { useLanguage, useStrings } from "../../strings";
import { dayName } from "../../strings/dates";
import { gistText } from "../../strings/gist";
import { useConversing } from "./conversing";
import styles from "./ItemView.module.css";
import { MessageView } from "./message/MessageView";
import { Readers } from "./message/Under";

/** One line of a conversation. */
export const ItemView = memo(function ItemView({ item, direct }: { item: Item; direct: boolean }): ReactNode {
    const strings = useStrings();
    switch (item.is) {
        case "day":
            return <Day at={item.at} />;
        case "unread":
            return <div className={styles.unread} role="separator"><span>{strings.talk.unread}</span></div>;
        case "news":
            return (
                <div className={styles.newsLine}>
                    <p className={styles.news} dir="auto">{gistText(item.gist, strings, item)}</p>
                    <Readers readers={item.readers} onOpen={undefined} />
                </div>
            );
        case "message":
            return <MessageView message={item} direct={direct} />;
    }
});

/** A day; pressed, it leads to others. */
function Day({ at }: { at: number }): ReactNode {
    const { openDate } = useConversing();
    const strings = useStrings();
    const language = useLanguage();
    return (
        <div className={styles.day}>
            <button type="button" title={strings.talk.date.title} onClick={() => openDate(at)}>{dayName(at, language, strings.room)}</button>
        </div>
    );
}
