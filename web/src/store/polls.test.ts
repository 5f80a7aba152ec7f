import type { MatrixEvent } from "matrix-js-sdk";
import { expect, test } from "vitest";
import { ballotOf, pollContent, questionOf, tally } from "./polls";
import type { Ballot } from "./polls";

const event = (content: object): MatrixEvent => ({ getContent: () => content, getSender: () => "@eve:x", getTs: () => 5 }) as unknown as MatrixEvent;
const vote = (sender: string, at: number, ...answers: string[]): Ballot => ({ sender, at, answers });
const asked = { question: "Tea?", several: 1, hidden: false, answers: [{ id: "1", text: "Yes" }, { id: "2", text: "No" }] };

test("a poll is read in both of its forms", () => {
    expect(questionOf(event(pollContent("Tea?", ["Yes", "No"], false, false)))).toEqual(asked);
    const stable = { "m.poll": { question: { "m.text": [{ body: "Tea?" }] }, kind: "m.disclosed", max_selections: 1, answers: [{ "m.id": "1", "m.text": [{ body: "Yes" }] }, { "m.id": "2", "m.text": [{ body: "No" }] }] } };
    expect(questionOf(event(stable))).toEqual(asked);
    expect(ballotOf(event({ "m.selections": ["1"] })).answers).toEqual(["1"]);
    expect(ballotOf(event({ "org.matrix.msc3381.poll.response": { answers: ["2", 7] } })).answers).toEqual(["2"]);
    expect(questionOf(event({ "m.poll": "nonsense" })).answers).toEqual([]);
});

test("of each person the last vote before the end counts, as far as it is valid", () => {
    const ballots = [vote("a", 1, "1"), vote("a", 2, "2"), vote("b", 1, "2", "1"), vote("c", 1, "9"), vote("d", 9, "1"), vote("me", 3, "1")];
    const state = tally(asked, ballots, "me", 8, true);
    expect(state.answers.map(({ votes, mine }) => [votes, mine])).toEqual([[1, true], [2, false]]);
    expect([state.voters, state.ended, state.mayEnd]).toEqual([3, true, false]);
    expect(tally(asked, ballots, "me", undefined, true).voters).toBe(4);
});
