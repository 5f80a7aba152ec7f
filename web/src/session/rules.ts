import { ClientEvent, ConditionKind, PushRuleActionName, PushRuleKind, RuleId, TweakName } from "matrix-js-sdk";
import type { IPushRule, MatrixClient, MatrixEvent, PushRuleAction } from "matrix-js-sdk";
import { Subscriptions } from "../store/subscriptions";
import { Value } from "../store/value";

/** Of which messages the person is told. In a room "usual" is what holds for all rooms of its kind. */
export type Level = "all" | "mentions";
export type RoomLevel = "usual" | "all" | "mentions" | "none";

export interface RulesState {
    on: boolean; // nothing is told of, on any device, when it is not
    direct: Level;
    groups: Level;
    keywords: string[];
    rooms: ReadonlyMap<string, RoomLevel>; // those that have a level of their own
}

const tell: PushRuleAction[] = [PushRuleActionName.Notify];
const ring: PushRuleAction[] = [PushRuleActionName.Notify, { set_tweak: TweakName.Sound, value: "default" }];
const mark: PushRuleAction[] = [...ring, { set_tweak: TweakName.Highlight, value: true }];

const directRules = [RuleId.DM, RuleId.EncryptedDM];
const groupRules = [RuleId.Message, RuleId.EncryptedMessage];

/** The account's push rules, which the server counts unread messages by, and every device tells of them by. */
export class Rules {
    readonly state: Value<RulesState>;
    readonly #subscriptions = new Subscriptions();
    #changes = 0; // under way

    constructor(readonly client: MatrixClient) {
        this.state = new Value(this.#read());
        this.#subscriptions.on(client, ClientEvent.AccountData, (event: MatrixEvent) => {
            if (event.getType() === "m.push_rules" && this.#changes === 0) this.state.set(this.#read()); // half a change is no news
        });
    }

    close(): void {
        this.#subscriptions.end();
    }

    #of(kind: PushRuleKind): IPushRule[] {
        return this.client.pushRules?.global[kind] ?? [];
    }

    #read(): RulesState {
        const tells = (id: RuleId): boolean => {
            const rule = this.#of(PushRuleKind.Underride).find((rule) => rule.rule_id === (id as string));
            return !rule || (rule.enabled && doesNotify(rule));
        };
        const rooms = new Map<string, RoomLevel>();
        for (const rule of this.#of(PushRuleKind.RoomSpecific)) {
            if (rule.enabled) rooms.set(rule.rule_id, doesNotify(rule) ? "all" : "mentions");
        }
        for (const rule of this.#of(PushRuleKind.Override)) {
            if (rule.enabled && rule.rule_id.startsWith("!") && !doesNotify(rule)) rooms.set(rule.rule_id, "none");
        }
        return {
            on: !this.#of(PushRuleKind.Override).some((rule) => rule.rule_id === (RuleId.Master as string) && rule.enabled),
            direct: tells(RuleId.EncryptedDM) ? "all" : "mentions",
            groups: tells(RuleId.EncryptedMessage) ? "all" : "mentions",
            keywords: this.#of(PushRuleKind.ContentSpecific).filter((rule) => !rule.default && rule.enabled && doesNotify(rule)).map((rule) => rule.pattern ?? rule.rule_id),
            rooms,
        };
    }

    /** What the server has now: it answers at once, and tells by sync a moment later. */
    async #refresh(): Promise<void> {
        this.client.setPushRules(await this.client.getPushRules());
        this.state.set(this.#read());
    }

    /** Shows at once what is being set, and then what the server has. */
    async #change(soon: Partial<RulesState>, act: () => Promise<void>): Promise<void> {
        this.state.set({ ...this.state.get(), ...soon });
        this.#changes++;
        try {
            await act();
        } finally {
            this.#changes--;
            await this.#refresh().catch(() => this.state.set(this.#read()));
        }
    }

    turn(on: boolean): Promise<void> {
        return this.#change({ on }, async () => {
            await this.client.setPushRuleEnabled("global", PushRuleKind.Override, RuleId.Master, !on);
        });
    }

    setLevel(of: "direct" | "groups", level: Level): Promise<void> {
        const actions = level === "mentions" ? [] : of === "direct" ? ring : tell;
        return this.#change({ [of]: level }, async () => {
            for (const id of of === "direct" ? directRules : groupRules) {
                await this.client.setPushRuleActions("global", PushRuleKind.Underride, id, actions);
                await this.client.setPushRuleEnabled("global", PushRuleKind.Underride, id, true);
            }
        });
    }

    async addKeyword(word: string): Promise<void> {
        await this.client.addPushRule("global", PushRuleKind.ContentSpecific, word, { pattern: word, actions: mark });
        await this.#refresh();
    }

    async removeKeyword(word: string): Promise<void> {
        for (const rule of this.#of(PushRuleKind.ContentSpecific)) {
            if (!rule.default && (rule.pattern ?? rule.rule_id) === word) await this.client.deletePushRule("global", PushRuleKind.ContentSpecific, rule.rule_id);
        }
        await this.#refresh();
    }

    setRoom(room: string, level: RoomLevel): Promise<void> {
        return this.#change({ rooms: new Map(this.state.get().rooms).set(room, level) }, () => this.#setRoom(room, level));
    }

    async #setRoom(room: string, level: RoomLevel): Promise<void> {
        for (const kind of [PushRuleKind.Override, PushRuleKind.RoomSpecific]) {
            if (this.#of(kind).some((rule) => rule.rule_id === room)) await this.client.deletePushRule("global", kind, room);
        }
        if (level === "none") {
            const conditions = [{ kind: ConditionKind.EventMatch as const, key: "room_id", pattern: room }];
            await this.client.addPushRule("global", PushRuleKind.Override, room, { conditions, actions: [] });
        } else if (level !== "usual") {
            await this.client.addPushRule("global", PushRuleKind.RoomSpecific, room, { actions: level === "all" ? ring : [] });
        }
    }
}

const doesNotify = (rule: IPushRule): boolean => rule.actions.includes(PushRuleActionName.Notify);
