import { ContextMenu as Base } from "@base-ui/react/context-menu";
import type { ReactElement, ReactNode } from "react";
import styles from "./Menu.module.css";

interface ContextMenuProps {
    trigger: ReactElement;
    children: ReactNode; // MenuItems
}

/** What can be done with a thing: by the other mouse button, the menu key, or a long touch. */
export const ContextMenu = ({ trigger, children }: ContextMenuProps): ReactNode => (
    <Base.Root>
        <Base.Trigger render={trigger} />
        <Base.Portal>
            <Base.Positioner className={styles.place}>
                <Base.Popup className={styles.menu}>{children}</Base.Popup>
            </Base.Positioner>
        </Base.Portal>
    </Base.Root>
);
