import { Menu as Base } from "@base-ui/react/menu";
import { Check } from "lucide-react";
import type { ReactElement, ReactNode } from "react";
import styles from "./Menu.module.css";

interface MenuProps {
    trigger: ReactElement;
    children: ReactNode;
}

/** What can be done here; opened by its trigger, gone through with the arrow keys. */
export function Menu({ trigger, children }: MenuProps): ReactNode {
    return (
        <Base.Root modal={false}>
            <Base.Trigger render={trigger} />
            <Base.Portal>
                <Base.Positioner className={styles.place} align="end" sideOffset={6}>
                    <Base.Popup className={styles.menu}>{children}</Base.Popup>
                </Base.Positioner>
            </Base.Portal>
        </Base.Root>
    );
}

interface MenuItemProps {
    onClick: () => void;
    bad?: boolean;
    children: ReactNode;
}

export const MenuItem = ({ onClick, bad, children }: MenuItemProps): ReactNode => (
    <Base.Item className={`${styles.item} ${bad ? styles.bad : ""}`} onClick={onClick}>{children}</Base.Item>
);

export const MenuLine = (): ReactNode => <Base.Separator className={styles.line} />;

interface ChoiceProps<T extends string> {
    label: string;
    value: T;
    options: Record<T, string>;
    onChoose: (value: T) => void;
}

/** One of several, inside a menu. */
export function MenuChoice<T extends string>({ label, value, options, onChoose }: ChoiceProps<T>): ReactNode {
    return (
        <Base.Group>
            <Base.GroupLabel className={styles.label}>{label}</Base.GroupLabel>
            <Base.RadioGroup value={value} onValueChange={(chosen) => onChoose(chosen as T)}>
                {Object.entries<string>(options).map(([option, name]) => (
                    <Base.RadioItem key={option} className={styles.item} value={option} closeOnClick>
                        {name}
                        <Base.RadioItemIndicator className={styles.check}><Check size={18} /></Base.RadioItemIndicator>
                    </Base.RadioItem>
                ))}
            </Base.RadioGroup>
        </Base.Group>
    );
}
