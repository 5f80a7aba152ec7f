import type { ReactNode } from "react";
import { Note } from "../../components/Page";
import { Select } from "../../components/Select";
import { useSession } from "../../session/use";
import { permissions, powerFor, rolePowers } from "../../store/roles";
import type { Permission } from "../../store/roles";
import { useStrings } from "../../strings";
import { useDeed } from "../useDeed";
import styles from "./Details.module.css";
import type { DetailProps } from "./Panel";
import { roleName } from "./roleName";

/** Which role is needed for what, in words. */
export function Roles({ info, members }: DetailProps): ReactNode {
    const { governing, account } = useSession();
    const strings = useStrings();
    const words = strings.groups.permission;
    const { busy, problem, act } = useDeed();
    const own = members?.find((member) => member.id === account.user)?.power ?? 0;
    const usual = info.powers.users_default ?? 0;
    const shown = permissions.filter((name) => (info.kind === "space" ? !["write", "react", "redact", "pin", "everyone"].includes(name) : name !== "children"));
    const optionsFor = (now: number): [string, string][] => {
        const levels = new Set([usual, rolePowers.moderator, rolePowers.admin, now]);
        return [...levels].filter((power) => power <= own || power === now).sort((a, b) => a - b).map((power) => [String(power), power <= usual ? words.everyone : roleName(power, strings)]);
    };
    const change = (name: Permission, power: number): void => act(() => governing.permit(info.id, name, power));
    return (
        <section className={styles.part}>
            <p className={styles.lead}>{info.may.roles ? words.lead : strings.groups.settings.only}</p>
            {problem && <Note look="bad">{problem}</Note>}
            {shown.map((name) => {
                const now = powerFor(info.powers, name);
                return (
                    <Select
                        key={name} inline label={words.what[name]} value={String(now)} options={optionsFor(now)} disabled={!info.may.roles || busy || now > own}
                        onChoose={(power) => change(name, Number(power))}
                    />
                );
            })}
        </section>
    );
}
