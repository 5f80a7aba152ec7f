import type { MatrixClient } from "matrix-js-sdk";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Beyond, lineOf, nearOf, sideOf, silentAmong } from "./beyond";
import type { Answer, Line } from "./beyond";
import type { LinkState } from "./link";
import type { RoomSummary } from "./rooms";
import { Value } from "./value";

const now = new Date(2026, 10, 22, 14, 30).getTime();
const minutes = (n: number): number => now - n * 60_000;
const silent = (name: string, since = minutes(10)): Answer["servers"][number] => ({ server_name: name, state: "silent", since_ts: since, last_contact_ts: since - 1000 });
const other = (name: string, state: string): Answer["servers"][number] => ({ server_name: name, state });
const answer = (servers: Answer["servers"], outside: Answer["outside"] = { state: "reached" }, more?: number): Answer => ({ version: "v", outside, servers, more });

describe("what is worth a line", () => {
    const week = 7 * 86_400_000;
    test.each<[string, Answer, Line | undefined]>([
        ["all is well", answer([other("city.example", "reached"), other("mill.example", "unknown")]), undefined],
        ["nobody is there", answer([]), undefined],
        ["cut off", answer([silent("city.example")], { state: "cut_off", since_ts: minutes(5) }), { is: "cutOff", since: minutes(5) }],
        ["a rehearsal", answer([], { state: "cut_off", since_ts: minutes(5), rehearsal: true }), { is: "rehearsal", since: minutes(5) }],
        ["somebody near is silent", answer([silent("city.example"), other("farm.example", "reached")]), { is: "silent", servers: ["city.example"], since: minutes(10) }],
        ["somebody far is silent", answer([silent("farm.example"), other("city.example", "reached")]), undefined],
        ["two that are near are silent", answer([silent("city.example"), silent("hill.example", minutes(20)), silent("farm.example", minutes(30)), other("x.example", "reached")]), { is: "silent", servers: ["city.example", "hill.example"], since: minutes(20) }],
        ["everybody is silent", answer([silent("farm.example", minutes(20)), silent("x.example"), other("mill.example", "unknown")]), { is: "alone", servers: 2, since: minutes(10) }],
        ["those that are listed are silent, and others may answer", answer([silent("farm.example"), silent("x.example")], { state: "reached" }, 3), undefined],
        ["silent for ages", answer([silent("city.example", now - week - 1), other("x.example", "reached")]), undefined],
        ["back", answer([{ server_name: "city.example", state: "healing", healing: { rooms_left: 2, rooms: 9 } }]), { is: "healing", server: "city.example" }],
        ["somebody far is back", answer([other("farm.example", "healing")]), undefined],
        ["a word that is not known", answer([other("city.example", "asleep")], { state: "dreaming" }), undefined],
    ])("%s", (_name, told, want) => {
        expect(lineOf(sideOf(told, now), new Set(["city.example", "hill.example"]))).toEqual(want);
    });
});

test("near are those with whom the person talks alone, but for the conversation that says it itself", () => {
    const room = (id: string, who: string, more: Partial<RoomSummary> = {}): RoomSummary => ({ id, other: who, direct: who !== "", invited: false, archived: false, ...more }) as RoomSummary;
    const rooms = [room("!a", "@bob:city.example:8448"), room("!b", "@eve:farm.example", { archived: true }), room("!c", "@dan:mill.example", { invited: true }), room("!d", ""), room("!e", "@ann:city.example:8448"), room("!f", "@kim:hill.example")];
    expect([...nearOf(rooms, undefined)]).toEqual(["city.example:8448", "hill.example"]);
    expect([...nearOf(rooms, "!d")]).toEqual(["city.example:8448", "hill.example"]);
    expect([...nearOf(rooms, "!a")]).toEqual(["hill.example"]);
});

test("a room names those of its servers that are silent", () => {
    const side = sideOf(answer([silent("city.example"), silent("farm.example"), other("mill.example", "reached")]), now);
    expect(silentAmong(side, new Set(["city.example", "mill.example"])).map(({ name }) => name)).toEqual(["city.example"]);
    expect(silentAmong(undefined, new Set(["city.example"]))).toEqual([]);
});

describe("asking", () => {
    interface Asked { since: string; timeout: string; signal: AbortSignal; answer: (told: Answer) => void; fail: (error: Error) => void }
    let asked: Asked[];
    let link: Value<LinkState>;
    let told: Beyond;

    const begin = async (tells = true): Promise<void> => {
        const client = {
            doesServerSupportUnstableFeature: (name: string) => Promise.resolve(tells && name === "org.freehold.reachability"),
            http: {
                authedRequest: (_method: string, path: string, query: { since: string; timeout: string }, _body: undefined, options: { prefix: string; abortSignal: AbortSignal }) => {
                    expect(options.prefix + path).toBe("/_matrix/client/unstable/org.freehold.reachability");
                    return new Promise((resolve, reject) => {
                        asked.push({ ...query, signal: options.abortSignal, answer: resolve, fail: reject });
                        options.abortSignal.addEventListener("abort", () => reject(new Error("aborted")));
                    });
                },
            },
        };
        told = new Beyond(client as unknown as MatrixClient, link);
        await told.start();
    };
    const show = (state: DocumentVisibilityState): void => {
        vi.spyOn(document, "visibilityState", "get").mockReturnValue(state);
        document.dispatchEvent(new Event("visibilitychange"));
    };
    const later = (seconds: number): Promise<unknown> => vi.advanceTimersByTimeAsync(seconds * 1000);

    beforeEach(() => {
        vi.useFakeTimers();
        vi.spyOn(console, "warn").mockImplementation(() => undefined);
        asked = [];
        link = new Value<LinkState>({ is: "up" });
    });
    afterEach(() => {
        told.close();
        vi.restoreAllMocks();
        vi.useRealTimers();
    });

    test("a server that does not tell is not asked", async () => {
        await begin(false);
        await later(600);
        expect(asked).toEqual([]);
        expect(told.tells.get()).toBe(false);
    });

    test("one request waits, and the next says what is known", async () => {
        await begin();
        await later(2);
        expect(asked.map(({ since }) => since)).toEqual([""]);
        asked[0]!.answer({ ...answer([silent("city.example")]), version: "one" });
        await later(2);
        expect(told.side.get()?.servers[0]?.standing).toBe("silent");
        expect(asked.map(({ since }) => since)).toEqual(["", "one"]);
        await later(50); // for which it was told to wait
        asked[1]!.answer({ ...answer([]), version: "one" });
        await later(2);
        expect(asked.length).toBe(3);
    });

    test("after a failure it waits, longer each time, and not at all after an answer", async () => {
        await begin();
        await later(2);
        for (const wait of [5, 15, 60, 300, 300]) {
            const before = asked.length;
            asked.at(-1)!.fail(new Error("502"));
            await later(wait - 1);
            expect(asked.length).toBe(before);
            await later(1);
            expect(asked.length).toBe(before + 1);
        }
        asked.at(-1)!.answer({ ...answer([]), version: "one" });
        await later(1);
        const before = asked.length;
        asked.at(-1)!.fail(new Error("502"));
        await later(5);
        expect(asked.length).toBe(before + 1);
    });

    test("a server that does not wait is not asked all the while", async () => {
        await begin();
        await later(2);
        for (let i = 0; i < 3; i++) {
            asked.at(-1)!.answer({ ...answer([]), version: "one" });
            await later(5);
        }
        expect(asked.length).toBe(3);
    });

    test("an answer of another kind is a failure", async () => {
        await begin();
        await later(2);
        asked[0]!.answer({} as Answer);
        await later(5);
        expect(told.side.get()).toBeUndefined();
        expect(asked.length).toBe(2);
    });

    test("while the server itself is not reached nothing is asked, and at once when it is", async () => {
        await begin();
        await later(2);
        link.set({ is: "silent", since: 0 });
        expect(asked[0]!.signal.aborted).toBe(true);
        await later(600);
        expect(asked.length).toBe(1);
        link.set({ is: "up" });
        await later(2);
        expect(asked.length).toBe(2);
    });

    test("a tab that nobody looks at stops after a minute, and goes on when it is looked at", async () => {
        await begin();
        await later(2);
        show("hidden");
        await later(59);
        show("visible");
        await later(120);
        expect(asked.map(({ signal }) => signal.aborted)).toEqual([false]);
        show("hidden");
        await later(60);
        expect(asked[0]!.signal.aborted).toBe(true);
        await later(600);
        expect(asked.length).toBe(1);
        show("visible");
        await later(2);
        expect(asked.length).toBe(2);
    });

    test("who looks at the numbers has new ones every few seconds", async () => {
        await begin();
        await later(2);
        asked[0]!.answer({ ...answer([]), version: "one" });
        await later(2);
        const end = told.watch();
        await later(0);
        expect(asked.map(({ since, timeout, signal }) => [since, timeout, signal.aborted])).toEqual([["", "50000", false], ["one", "50000", true], ["", "10000", false]]);
        end();
        asked[2]!.answer({ ...answer([]), version: "one" });
        await later(1);
        expect(asked.at(-1)!.timeout).toBe("50000");
    });

    test("it ends with the session", async () => {
        await begin();
        await later(2);
        told.close();
        expect(asked[0]!.signal.aborted).toBe(true);
        show("visible");
        link.set({ is: "failing", since: 0 });
        link.set({ is: "up" });
        await later(600);
        expect(asked.length).toBe(1);
    });
});
