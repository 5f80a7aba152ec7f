import { CryptoEvent, VerificationPhase, VerificationRequestEvent, VerifierEvent } from "matrix-js-sdk/lib/crypto-api";
import type { ShowQrCodeCallbacks, ShowSasCallbacks, VerificationRequest, Verifier } from "matrix-js-sdk/lib/crypto-api";
import type { MatrixClient } from "matrix-js-sdk";
import { plainName } from "../store/names";
import { Value } from "../store/value";
import type { Person } from "./people";

/** With whom: another person, or another device of one's own. */
export interface Party {
    user: string;
    name: string; // of the person, or of the device when it is known
    own: boolean;
}

export type Emoji = [picture: string, name: string];

/** One verification, from its beginning to its end; undefined when there is none. */
export type VerificationState = { who: Party } & (
    | { at: "asked" } // somebody asks: accept or decline
    | { at: "waiting" } // we have asked, nobody has answered yet
    | { at: "ways"; code: Uint8ClampedArray | undefined; scan: boolean } // code: to be shown as a QR code; scan: the other shows one
    | { at: "busy" } // something is under way that needs nobody
    | { at: "emoji"; emoji: Emoji[] } // the same on both?
    | { at: "scanned" } // the other says that it has scanned our code
    | { at: "done" }
    | { at: "failed"; why: "declined" | "different" | "late" | "broken" }
);

const sas = "m.sas.v1";
const scanCode = "m.qr_code.scan.v1";
const showCode = "m.qr_code.show.v1";

/** Makes sure that a key belongs to whom it should: between the person's own devices, and with other people. */
export class Verification {
    readonly state = new Value<VerificationState | undefined>(undefined);
    readonly #waiting: VerificationRequest[] = []; // came while another was open
    #request: VerificationRequest | undefined;
    #verifier: Verifier | undefined;
    #emoji: ShowSasCallbacks | undefined;
    #scanned: ShowQrCodeCallbacks | undefined;
    #drawn = false; // a code was asked for: asked twice, the SDK takes it for a second verification, and cancels both
    #end: () => void = () => undefined;

    constructor(
        readonly client: MatrixClient,
        readonly people: { talkTo: (person: Person) => Promise<string> },
        readonly done: (who: Party) => void,
    ) {}

    /** Shows what others ask for. */
    watch(): () => void {
        const came = (request: VerificationRequest): void => {
            if (request.initiatedByMe || !request.pending) return;
            if (this.#request) this.#waiting.push(request);
            else void this.#take(request);
        };
        this.client.on(CryptoEvent.VerificationRequestReceived, came);
        return () => {
            this.client.off(CryptoEvent.VerificationRequestReceived, came);
            this.#end();
        };
    }

    /** Asks all other devices of the person; the first that answers does it. */
    askOwn(): Promise<void> {
        return this.#ask({ user: this.client.getSafeUserId(), name: "", own: true }, (crypto) => crypto.requestOwnUserVerification());
    }

    askDevice(id: string, name: string): Promise<void> {
        const own = this.client.getSafeUserId();
        return this.#ask({ user: own, name, own: true }, (crypto) => crypto.requestDeviceVerification(own, id));
    }

    /** Asks another person, in the conversation with them; makes one if there is none. */
    askPerson(person: Person): Promise<void> {
        return this.#ask({ user: person.id, name: person.name, own: false }, async (crypto) => {
            const room = await this.people.talkTo(person);
            await crypto.getUserDeviceInfo([person.id], true);
            return crypto.requestVerificationDM(person.id, room);
        });
    }

    async #ask(who: Party, ask: (crypto: NonNullable<ReturnType<MatrixClient["getCrypto"]>>) => Promise<VerificationRequest>): Promise<void> {
        this.state.set({ at: "busy", who });
        try {
            await this.#take(await ask(this.client.getCrypto()!), who);
        } catch (error) {
            console.warn("a verification cannot begin", error);
            this.state.set({ at: "failed", who, why: "broken" });
        }
    }

    async #take(request: VerificationRequest, who?: Party): Promise<void> {
        this.#end();
        this.#request = request;
        this.#drawn = false;
        const party = who ?? (await this.#partyOf(request));
        const look = (): void => void this.#look(party).catch((error: unknown) => {
            console.warn("a verification has failed", error);
            this.state.set({ at: "failed", who: party, why: "broken" });
        });
        request.on(VerificationRequestEvent.Change, look);
        this.#end = () => request.off(VerificationRequestEvent.Change, look);
        await this.#look(party);
    }

    async #partyOf(request: VerificationRequest): Promise<Party> {
        const user = request.otherUserId;
        if (!request.isSelfVerification) return { user, name: plainName(this.client.getUser(user)?.displayName ?? user), own: false };
        const device = request.otherDeviceId;
        const found = device ? (await this.client.getCrypto()!.getUserDeviceInfo([user])).get(user)?.get(device) : undefined;
        return { user, name: found?.displayName ?? device ?? "", own: true };
    }

    /** Says anew how it stands. */
    async #look(who: Party): Promise<void> {
        const request = this.#request;
        if (!request) return;
        const { at } = this.state.get() ?? {};
        switch (request.phase) {
            case VerificationPhase.Unsent:
            case VerificationPhase.Requested:
                if (!request.pending) this.#close(); // another device of the person has taken it
                else if (request.accepting) this.state.set({ at: "busy", who });
                else this.state.set({ at: request.initiatedByMe ? "waiting" : "asked", who });
                break;
            case VerificationPhase.Ready: {
                if (this.#drawn) return;
                this.#drawn = true;
                const code = request.otherPartySupportsMethod(scanCode) ? await request.generateQRCode().catch(() => undefined) : undefined;
                if (!isReady(request)) return; // it went on meanwhile
                this.state.set({ at: "ways", who, code, scan: request.otherPartySupportsMethod(showCode) });
                break;
            }
            case VerificationPhase.Started:
                if (request.verifier) this.#follow(request.verifier, who);
                break;
            case VerificationPhase.Done:
                this.state.set({ at: "done", who });
                if (at !== "done") this.done(who);
                break;
            case VerificationPhase.Cancelled:
                if (at === "asked" && request.cancellationCode !== "m.mismatched_sas") this.#close(); // they thought better of it, or another device took it
                else this.state.set({ at: "failed", who, why: whyOf(request.cancellationCode) });
                break;
        }
    }

    #follow(verifier: Verifier, who: Party): void {
        if (this.#verifier !== verifier) {
            this.#verifier = verifier;
            this.#emoji = this.#scanned = undefined;
            this.state.set({ at: "busy", who });
            verifier.on(VerifierEvent.ShowSas, () => this.#follow(verifier, who));
            verifier.on(VerifierEvent.ShowReciprocateQr, () => this.#follow(verifier, who));
            void verifier.verify().catch(() => undefined); // the request tells of it
        }
        const emoji = verifier.getShowSasCallbacks();
        if (emoji?.sas.emoji && emoji !== this.#emoji) {
            this.#emoji = emoji;
            this.state.set({ at: "emoji", who, emoji: emoji.sas.emoji });
        }
        const scanned = verifier.getReciprocateQrCodeCallbacks();
        if (scanned && scanned !== this.#scanned) {
            this.#scanned = scanned;
            this.state.set({ at: "scanned", who });
        }
    }

    async accept(): Promise<void> {
        await this.#try(() => this.#request!.accept());
    }

    /** Compares emoji. */
    async emoji(): Promise<void> {
        await this.#try(async () => {
            await this.#request!.startVerification(sas);
        });
    }

    /** The other's code has been scanned; false when it is not a code for this. */
    async scanned(code: Uint8ClampedArray): Promise<boolean> {
        const request = this.#request;
        if (!request || !isVerificationCode(code)) return false;
        await this.#try(async () => {
            await request.scanQRCode(code);
        });
        return true;
    }

    /** It is the same on both. */
    async agree(): Promise<void> {
        const { who } = this.state.get()!;
        const { at } = this.state.get()!;
        this.state.set({ at: "busy", who });
        if (at === "scanned") this.#scanned?.confirm();
        else await this.#try(() => this.#emoji!.confirm());
    }

    differ(): void {
        const { who } = this.state.get()!;
        if (this.state.get()!.at === "scanned") this.#scanned?.cancel();
        else this.#emoji?.mismatch();
        this.state.set({ at: "failed", who, why: "different" });
    }

    /** Ends what is open: cancels it, if it has not come to its end. */
    async close(): Promise<void> {
        const request = this.#request;
        this.#close();
        if (request?.pending) await request.cancel().catch(() => undefined);
    }

    async #try(act: () => Promise<void>): Promise<void> {
        const { who } = this.state.get()!;
        try {
            await act();
        } catch (error) {
            console.warn("a verification cannot go on", error);
            if (this.#request) this.state.set({ at: "failed", who, why: "broken" });
        }
    }

    #close(): void {
        this.#end();
        this.#end = () => undefined;
        this.#request = this.#verifier = this.#emoji = this.#scanned = undefined;
        this.state.set(undefined);
        const next = this.#waiting.shift();
        if (next?.pending) void this.#take(next);
    }
}

function whyOf(code: string | null): "declined" | "different" | "late" | "broken" {
    switch (code) {
        case "m.user":
            return "declined";
        case "m.mismatched_sas":
        case "m.key_mismatch":
        case "m.user_mismatch":
            return "different";
        case "m.timeout":
            return "late";
        default:
            return "broken";
    }
}

const isReady = (request: VerificationRequest): boolean => request.phase === VerificationPhase.Ready;

/** "QR code format": it begins with MATRIX. */
const isVerificationCode = (code: Uint8ClampedArray): boolean => "MATRIX".split("").every((letter, i) => code[i] === letter.charCodeAt(0));
