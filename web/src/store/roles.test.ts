import { describe, expect, test } from "vitest";
import { permissions, powerFor, roleOf, standingOf, withPower, withRole } from "./roles";
import type { Permission } from "./roles";
import { onlySomeWrite } from "./standing";
import type { Powers } from "./standing";

const usual: Powers = { users: { "@alice:a": 100 }, events: { "m.room.name": 50, "m.room.power_levels": 100 }, state_default: 50, events_default: 0 };

test.each([[Infinity, "founder"], [100, "admin"], [50, "moderator"], [0, "member"], [-1, "silent"], [42, "other"]])("%s is a %s", (power, want) => {
    expect(roleOf(power)).toBe(want);
});

describe("permissions", () => {
    test.each<[Permission, number]>([["write", 0], ["react", 0], ["invite", 0], ["kick", 50], ["look", 50], ["pin", 50], ["everyone", 50], ["roles", 100], ["state", 50]])("%s needs %i by default", (permission, want) => {
        expect(powerFor(usual, permission)).toBe(want);
    });

    test.each(permissions.map((name) => [name]))("%s is what it was set to, and the rest as it was", (permission) => {
        const next = withPower(usual, permission, 75);
        expect(powerFor(next, permission)).toBe(75);
        for (const other of permissions) {
            if (other === permission || (permission === "state" && ["look", "pin", "children"].includes(other))) continue;
            expect(powerFor(next, other), other).toBe(powerFor(usual, other));
        }
    });

    test("a group in which only some write is a channel, encrypted or not", () => {
        const channel = withPower({ ...usual, events: { ...usual.events, "m.room.message": 0 } }, "write", 50);
        expect(onlySomeWrite(channel, true)).toBe(true);
        expect(onlySomeWrite(channel, false)).toBe(true);
        expect(onlySomeWrite(withPower(channel, "write", 0), true)).toBe(false);
    });
});

test("a role is written down, the default is not", () => {
    expect(withRole(usual, "@bob:b", 50).users).toEqual({ "@alice:a": 100, "@bob:b": 50 });
    expect(withRole(usual, "@alice:a", 0).users).toEqual({});
});

test("who is not in the room may do nothing", () => {
    expect(standingOf(100, false, usual)).toEqual({ power: 100, kick: false, ban: false, invite: false });
    expect(standingOf(50, true, usual)).toEqual({ power: 50, kick: true, ban: true, invite: true });
});
