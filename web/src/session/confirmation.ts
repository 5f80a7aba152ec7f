import type { AuthDict, MatrixClient, MatrixError } from "matrix-js-sdk";
import { Value } from "../store/value";

/** What the server wants before it does something grave: the password, or that the person goes to a page of its. */
export interface Asked {
    by: "password" | "page";
    page: string; // its address; "" for a password
    wrong: boolean; // the last answer was
    answer: (password: string) => void;
    cancel: () => void;
}

/** The person did not want to after all. */
export class Cancelled extends Error {
    override readonly name = "Cancelled";
}

/** Asks the person when the server does. One question is open at a time. */
export class Confirmation {
    readonly asked = new Value<Asked | undefined>(undefined);

    constructor(readonly client: () => MatrixClient) {}

    /** Makes a request, with proof if the server wants one; password: what the person has just typed, if so. */
    async run<T>(request: (proof: AuthDict | null) => Promise<T>, password?: string): Promise<T> {
        let proof: AuthDict | null = null;
        let typed = password;
        for (;;) {
            try {
                return await request(proof);
            } catch (error) {
                const wish = wishOf(error);
                if (!wish) throw error;
                const by = wish.stages.includes("m.login.password") ? "password" : "page";
                typed ??= await this.#ask(by, by === "page" ? this.#pageOf(wish) : "", proof !== null);
                proof = by === "page" ? { session: wish.session } : this.#byPassword(typed, wish.session);
                typed = undefined; // it was taken, or it was wrong
            }
        }
    }

    #byPassword(password: string, session: string): AuthDict {
        return { type: "m.login.password", identifier: { type: "m.id.user", user: this.client().getSafeUserId() }, password, session };
    }

    #pageOf({ stages, session }: Wish): string {
        return this.client().getFallbackAuthUrl(stages[0] ?? "m.login.sso", session);
    }

    #ask(by: Asked["by"], page: string, wrong: boolean): Promise<string> {
        this.asked.get()?.cancel();
        return new Promise((resolve, reject) => {
            const end = (): void => this.asked.set(undefined);
            this.asked.set({
                by, page, wrong,
                answer: (password) => {
                    end();
                    resolve(password);
                },
                cancel: () => {
                    end();
                    reject(new Cancelled("not confirmed"));
                },
            });
        });
    }
}

interface Wish {
    session: string;
    stages: string[]; // the first of each way that the server offers
}

/** What the server asks for; undefined when it has refused for another reason. */
function wishOf(error: unknown): Wish | undefined {
    const { httpStatus, data } = error as Partial<MatrixError> & { data?: { session?: string; flows?: { stages: string[] }[] } };
    if (httpStatus !== 401 || !data?.session || !data.flows) return undefined;
    return { session: data.session, stages: data.flows.filter((flow) => flow.stages.length === 1).map((flow) => flow.stages[0]!) };
}
