import type { ISyncResponse } from "matrix-js-sdk";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Remembered } from "./remembered";

const news = (token: string): ISyncResponse => ({ next_batch: token, account_data: { events: [{ type: "x", content: {} }] } }) as unknown as ISyncResponse;

let store: Remembered;
let saves: (() => void)[]; // each ends a save that is under way
beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal("indexedDB", {});
    store = Remembered.named("freehold:test");
    saves = [];
    vi.spyOn(store, "save").mockImplementation(() => new Promise((resolve) => saves.push(resolve)));
});
afterEach(() => {
    store.close();
    vi.unstubAllGlobals();
    vi.useRealTimers();
});

test("what comes is written a little later, once", async () => {
    await store.setSyncData(news("1"));
    await store.setSyncData(news("2"));
    expect(saves.length).toBe(0);
    await vi.advanceTimersByTimeAsync(1000);
    expect(saves.length).toBe(1);
    saves[0]!();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(saves.length).toBe(1);
});

test("what comes while it is being written is written too", async () => {
    await store.setSyncData(news("1"));
    await vi.advanceTimersByTimeAsync(1000);
    await store.setSyncData(news("2"));
    saves[0]!();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(saves.length).toBe(2);
});

test("a slow disk delays the next by seconds, not by minutes", async () => {
    await store.setSyncData(news("1"));
    await vi.advanceTimersByTimeAsync(1000);
    await vi.advanceTimersByTimeAsync(3000);
    saves[0]!();
    await vi.advanceTimersByTimeAsync(0);
    await store.setSyncData(news("2"));
    await vi.advanceTimersByTimeAsync(9000);
    expect(saves.length).toBe(1);
    await vi.advanceTimersByTimeAsync(1000);
    expect(saves.length).toBe(2);
});

test("it is written at once when it may be all that there is, and only if there is something", async () => {
    await store.setSyncData(news("1"));
    const kept = store.keep();
    expect(saves.length).toBe(1);
    await store.setSyncData(news("2"));
    const again = store.keep();
    saves[0]!();
    await kept;
    await vi.advanceTimersByTimeAsync(0);
    expect(saves.length).toBe(2);
    saves[1]!();
    await again;
    await store.keep();
    expect(saves.length).toBe(2);
});
