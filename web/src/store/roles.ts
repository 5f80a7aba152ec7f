import type { Powers } from "./standing";

/** What a power level is called. The founder of a newer room is above all levels, and cannot be put below. */
export type Role = "founder" | "admin" | "moderator" | "member" | "silent" | "other";

export const rolePowers = { admin: 100, moderator: 50, member: 0 } as const;

export function roleOf(power: number): Role {
    if (power === Infinity) return "founder";
    if (power === 100) return "admin";
    if (power === 50) return "moderator";
    if (power === 0) return "member";
    return power < 0 ? "silent" : "other";
}

export interface Standing {
    power: number;
    kick: boolean;
    ban: boolean;
    invite: boolean;
}

/** What somebody with a power level may do with members; the numbers are the specification's for what is not said. */
export function standingOf(power: number, joined: boolean, powers: Powers): Standing {
    return { power, kick: joined && power >= (powers.kick ?? 50), ban: joined && power >= (powers.ban ?? 50), invite: joined && power >= (powers.invite ?? 0) };
}

/** What can be allowed in a room, each with the place of its number in the power levels. */
export const permissions = ["write", "react", "invite", "kick", "ban", "redact", "look", "pin", "everyone", "children", "state", "roles"] as const;
export type Permission = (typeof permissions)[number];

const eventTypes: Partial<Record<Permission, string[]>> = {
    react: ["m.reaction"],
    look: ["m.room.name", "m.room.avatar", "m.room.topic"],
    pin: ["m.room.pinned_events"],
    children: ["m.space.child"],
    roles: ["m.room.power_levels"],
};

/** Which power a permission needs. */
export function powerFor(powers: Powers, permission: Permission): number {
    const state = powers.state_default ?? 50;
    switch (permission) {
        case "write":
            return powers.events?.["m.room.encrypted"] ?? powers.events?.["m.room.message"] ?? powers.events_default ?? 0;
        case "react":
            return powers.events?.["m.reaction"] ?? powers.events_default ?? 0;
        case "invite":
            return powers.invite ?? 0;
        case "kick":
        case "ban":
        case "redact":
            return powers[permission] ?? 50;
        case "everyone":
            return powers.notifications?.room ?? 50;
        case "state":
            return state;
        default:
            return Math.max(...eventTypes[permission]!.map((type) => powers.events?.[type] ?? state));
    }
}

const without = (all: Record<string, number> = {}, ...keys: string[]): Record<string, number> => Object.fromEntries(Object.entries(all).filter(([key]) => !keys.includes(key)));

/** The power levels with one permission changed. What is not its own is kept as it was. */
export function withPower(powers: Powers, permission: Permission, power: number): Powers {
    switch (permission) {
        case "write": {
            // Messages have their default alone: a number of their own would hold for encrypted ones or for others, not for both. Reactions stay as they were.
            const events = without(powers.events, "m.room.message", "m.room.encrypted");
            return { ...powers, events_default: power, events: { ...events, "m.reaction": powerFor(powers, "react") } };
        }
        case "invite":
        case "kick":
        case "ban":
        case "redact":
            return { ...powers, [permission]: power };
        case "everyone":
            return { ...powers, notifications: { ...powers.notifications, room: power } };
        case "state":
            return { ...powers, state_default: power };
        default:
            return { ...powers, events: { ...powers.events, ...Object.fromEntries(eventTypes[permission]!.map((type) => [type, power])) } };
    }
}

/** The power levels with one person's changed; the default is not written down. */
export function withRole(powers: Powers, user: string, power: number): Powers {
    const users = without(powers.users, user);
    return { ...powers, users: power === (powers.users_default ?? 0) ? users : { ...users, [user]: power } };
}
