import type { ReactNode } from "react";
import { Button } from "../../components/Button";
import { explorePath, go, invitePath } from "../../store/place";
import { useStrings } from "../../strings";
import styles from "./RoomList.module.css";

/** While there are no conversations: how to come to some. */
export function Beginning({ onCreate }: { onCreate: () => void }): ReactNode {
    const words = useStrings();
    return (
        <div className={styles.empty}>
            <h2>{words.rooms.emptyTitle}</h2>
            <p>{words.rooms.emptyLead}</p>
            <Button look="main" onClick={onCreate}>{words.rooms.create}</Button>
            <Button className={styles.second} onClick={() => go(invitePath)}>{words.groups.invitePeople}</Button>
            <Button className={styles.second} onClick={() => go(explorePath())}>{words.groups.explore}</Button>
        </div>
    );
}
