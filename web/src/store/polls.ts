import type { MatrixEvent } from "matrix-js-sdk";

/** A poll as it stands. */
export interface PollState {
    question: string;
    several: number; // how many answers one may choose
    hidden: boolean; // results are shown when it has ended
    ended: boolean;
    mayEnd: boolean;
    voters: number;
    answers: { id: string; text: string; votes: number; mine: boolean }[];
}

/** A vote, or what else counts of an event; made from an event of the SDK. */
export interface Ballot {
    sender: string;
    at: number;
    answers: string[];
}

// The stable names, and those under which clients send polls today; the latter are what is sent, as all clients read them.
const names = (part: "start" | "response" | "end"): string[] => [`m.poll.${part}`, `org.matrix.msc3381.poll.${part}`];
const [starts, responses, ends] = [names("start"), names("response"), names("end")];

export const isPoll = (event: MatrixEvent): boolean => starts.includes(event.getType());
export const isVote = (event: MatrixEvent): boolean => responses.includes(event.getType());
export const isEnd = (event: MatrixEvent): boolean => ends.includes(event.getType());

const found = (content: Record<string, unknown>, keys: string[]): Record<string, unknown> =>
    (keys.map((key) => content[key]).find((part) => typeof part === "object" && part !== null) ?? {}) as Record<string, unknown>;

const most = 20; // answers, as the specification has it

/** Text of either form: the stable one is a list of representations, the first of which is the best plain one. */
function textOf(part: unknown): string {
    if (typeof part !== "object" || part === null) return "";
    const fields = part as Record<string, unknown>;
    const text = fields["m.text"] ?? fields["org.matrix.msc1767.text"] ?? fields.body;
    if (typeof text === "string") return text;
    if (!Array.isArray(text)) return "";
    const plain = (text as { mimetype?: string; body?: unknown }[]).find((one) => (one.mimetype ?? "text/plain") === "text/plain");
    return typeof plain?.body === "string" ? plain.body : "";
}

type Asked = Pick<PollState, "question" | "several" | "hidden"> & { answers: { id: string; text: string }[] };

/** What a poll asks; the form of others is not trusted. */
export function questionOf(event: MatrixEvent): Asked {
    const { question, kind, max_selections: several, answers } = found(event.getContent(), ["m.poll", ...starts]);
    const list = Array.isArray(answers) ? (answers as Record<string, unknown>[]) : [];
    return {
        question: textOf(question),
        several: typeof several === "number" && several >= 1 ? Math.floor(several) : 1,
        hidden: kind !== "m.disclosed" && kind !== "m.poll.disclosed" && kind !== "org.matrix.msc3381.poll.disclosed",
        answers: list.slice(0, most).flatMap((answer) => {
            const id = answer["m.id"] ?? answer.id;
            return typeof id === "string" ? [{ id, text: textOf(answer) }] : [];
        }),
    };
}

/** What a response votes for; either form. */
export function ballotOf(event: MatrixEvent): Ballot {
    const content = event.getContent();
    const answers: unknown = content["m.selections"] ?? found(content, responses).answers;
    return {
        sender: event.getSender() ?? "",
        at: event.getTs(),
        answers: Array.isArray(answers) ? answers.filter((id): id is string => typeof id === "string") : [],
    };
}

/** Counts: of each person the last vote before the end, of it as many known answers as may be chosen. */
export function tally(asked: Asked, ballots: Ballot[], me: string, endedAt: number | undefined, mayEnd: boolean): PollState {
    const known = new Set(asked.answers.map((answer) => answer.id));
    const last = new Map<string, Ballot>();
    for (const ballot of [...ballots].sort((a, b) => a.at - b.at)) {
        if (endedAt === undefined || ballot.at <= endedAt) last.set(ballot.sender, ballot);
    }
    const chosen = new Map([...last].map(([sender, ballot]): [string, string[]] => {
        const valid = [...new Set(ballot.answers)].filter((id) => known.has(id));
        return [sender, valid.slice(0, asked.several)];
    }));
    const votes = [...chosen.values()];
    return {
        question: asked.question,
        several: asked.several,
        hidden: asked.hidden,
        ended: endedAt !== undefined,
        mayEnd: mayEnd && endedAt === undefined,
        voters: votes.filter((ids) => ids.length > 0).length,
        answers: asked.answers.map(({ id, text }) => ({
            id, text,
            votes: votes.filter((ids) => ids.includes(id)).length,
            mine: chosen.get(me)?.includes(id) ?? false,
        })),
    };
}

/** The content of a new poll, with a text for who cannot show polls. */
export function pollContent(question: string, answers: string[], several: boolean, hidden: boolean): Record<string, unknown> {
    const text = (said: string): Record<string, string> => ({ "org.matrix.msc1767.text": said });
    return {
        ...text([question, ...answers.map((answer, i) => `${i + 1}. ${answer}`)].join("\n")),
        "org.matrix.msc3381.poll.start": {
            question: { ...text(question), body: question, msgtype: "m.text" },
            kind: hidden ? "org.matrix.msc3381.poll.undisclosed" : "org.matrix.msc3381.poll.disclosed",
            max_selections: several ? answers.length : 1,
            answers: answers.map((answer, i) => ({ id: String(i + 1), ...text(answer) })),
        },
    };
}

export const pollStart = "org.matrix.msc3381.poll.start";
export const pollResponse = "org.matrix.msc3381.poll.response";
export const pollEnd = "org.matrix.msc3381.poll.end";
