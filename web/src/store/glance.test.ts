import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Glance } from "./glance";
import type { RoomSummary } from "./rooms";
import { Value } from "./value";
import { Vault } from "./vault";

beforeEach(() => vi.useFakeTimers());
afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
});

const named = (name: string): RoomSummary[] => [{ name } as RoomSummary];

test("what changes while the list is being written down is written down after it", async () => {
    const written: string[] = [];
    let finish = (): void => undefined;
    vi.spyOn(Vault.prototype, "replace").mockImplementation(async (pages) => {
        written.push((pages as { rooms: RoomSummary[] }[])[0]!.rooms[0]!.name);
        await new Promise<void>((resolve) => (finish = resolve));
    });
    const lists = { all: new Value(named("first")), spaces: new Value([]) };
    const glance = new Glance({ user: "@alice:house.example", device: "D" }, lists);
    lists.all.set(named("second"));
    await vi.advanceTimersByTimeAsync(5000);
    expect(written).toEqual(["second"]);
    lists.all.set(named("third"));
    await vi.advanceTimersByTimeAsync(5000);
    expect(written).toEqual(["second"]);
    finish();
    await vi.advanceTimersByTimeAsync(500_000);
    expect(written).toEqual(["second", "third"]);
    finish();
    await vi.advanceTimersByTimeAsync(500_000);
    expect(written).toEqual(["second", "third"]);
    glance.close();
});
