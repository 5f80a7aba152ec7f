import { contextOf, keepContext } from "./drafts";
import type { Context } from "./drafts";
import { Value } from "./value";

/** What is being written in a conversation, beside its text: which message it answers or replaces, and whom it names. */
export class Writing {
    readonly context: Value<Context>;

    constructor(readonly place: string) {
        this.context = new Value(contextOf(place));
        this.context.subscribe(() => keepContext(place, this.context.get()));
    }

    reply(id: string): void {
        this.context.set({ reply: id, mentions: this.context.get().mentions });
    }

    edit(id: string): void {
        this.context.set({ edit: id, mentions: [] });
    }

    mention(text: string, user: string): void {
        const { mentions, ...rest } = this.context.get();
        this.context.set({ ...rest, mentions: [...mentions.filter((other) => other.text !== text), { text, user }] });
    }

    done(): void {
        this.context.set({ mentions: [] });
    }
}
