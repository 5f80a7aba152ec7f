import type { ReactNode } from "react";
import type { Message } from "../../../store/items";
import { useStrings } from "../../../strings";
import { gistText } from "../../../strings/gist";
import styles from "../ItemView.module.css";
import { UnreadableHelp } from "../../verify/UnreadableHelp";
import { FileBody } from "../media/FileBody";
import { isBare } from "./bare";
import { PollView } from "./PollView";
import { Said } from "./Said";

/** What a message says. */
export function Body({ message }: { message: Message }): ReactNode {
    const strings = useStrings();
    const { gist, name } = message;
    switch (gist.is) {
        case "text":
            return (
                <span className={gist.manner === "noticed" ? styles.noticed : styles.text} data-bare={!gist.html && isBare(gist.text) ? "" : undefined} data-html={gist.html ? "" : undefined}>
                    {gist.manner === "did" && <b>{name} </b>}
                    <Said text={gist.text} html={gist.html} />
                </span>
            );
        case "poll":
            return message.poll ? <PollView id={message.id} poll={message.poll} /> : null;
        case "file":
            return <FileBody gist={gist} message={message} />;
        default:
            return (
                <>
                    <span className={styles.absent}>{gistText(gist, strings, { who: name, mine: message.mine })}</span>
                    {gist.is === "unreadable" && <UnreadableHelp why={gist.why} />}
                </>
            );
    }
}
