import { roleOf } from "../../store/roles";
import type { Strings } from "../../strings/en";

/** A power level in words. */
export function roleName(power: number, strings: Strings): string {
    const role = roleOf(power);
    return role === "other" ? strings.groups.role.other(power) : strings.groups.role[role];
}
