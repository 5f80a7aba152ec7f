import type { ReactNode } from "react";
import type { FileGist } from "../../../store/attachment";
import type { Message } from "../../../store/items";
import { Said } from "../message/Said";
import { FileCard } from "./FileCard";
import styles from "./Media.module.css";
import { Picture } from "./Picture";
import { Sound } from "./Sound";
import { SpotCard } from "./SpotCard";
import { useOnTheWay } from "./useOnTheWay";
import type { OnTheWay } from "./useOnTheWay";
import { view } from "./viewing";
import { lookOf } from "./wish";

/** What a message with a file shows. */
export function FileBody({ gist, message }: { gist: FileGist; message: Message }): ReactNode {
    const way = useOnTheWay(message);
    return (
        <>
            <Shown gist={gist} id={message.key} way={way} />
            {gist.caption && gist.kind !== "location" && <span className={styles.caption} data-html={gist.html ? "" : undefined}><Said text={gist.caption} html={gist.html ?? ""} /></span>}
        </>
    );
}

interface ShownProps {
    gist: FileGist;
    id: string;
    way: OnTheWay | undefined;
}

function Shown({ gist, id, way }: ShownProps): ReactNode {
    switch (gist.file ? lookOf(gist) : gist.kind === "location" ? "location" : "file") {
        case "image":
        case "video":
            return <Picture gist={gist} way={way} onOpen={() => view(id)} />;
        case "sticker":
            return <Picture gist={gist} />;
        case "audio":
        case "voice":
            return <Sound gist={gist} way={way} />;
        case "location":
            return <SpotCard gist={gist} />;
        case "file":
            return <FileCard gist={gist} way={way} />;
    }
}
