import { ChevronRight, LayoutGrid } from "lucide-react";
import type { ReactNode } from "react";
import { follow } from "../../components/follow";
import { go, roomPath } from "../../store/place";
import type { SpaceSummary } from "../../store/rooms";
import { useStrings } from "../../strings";
import styles from "./RoomList.module.css";

/** The way from a space's part of the list to the space itself, with the rooms that the person is not in. */
export function SpaceLine({ space, open }: { space: SpaceSummary; open: string | undefined }): ReactNode {
    const words = useStrings().groups;
    const path = roomPath(space.id);
    return (
        <a className={styles.space} href={path} onClick={follow(() => go(path))} aria-current={open === space.id ? "page" : undefined}>
            <LayoutGrid size={20} /><span dir="auto">{words.spaceRooms(space.name)}</span><ChevronRight size={18} />
        </a>
    );
}
