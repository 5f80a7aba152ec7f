import { forgetAccount, saveAccount, savedAccount } from "../session/account";
import type { Account } from "../session/account";
import type { Session } from "../session/session";
import { accountChanged } from "../session/worker";
import { readGlance } from "../store/glance";
import type { Lists } from "../store/glance";
import { elsewherePath, go, homePath, isElsewhere, placeNow } from "../store/place";
import { Value } from "../store/value";
import { holdTab } from "./tab";

export type Phase =
    | { at: "outside" | "elsewhere" | "failed" }
    | { at: "opening"; seen: Lists | undefined } // the list as it was when the app was closed
    | { at: "inside"; session: Session };

const opening: Phase = { at: "opening", seen: undefined };

/** The life of the app: outside, opening an account, inside, and back. */
export class Life {
    readonly phase = new Value<Phase>(opening);

    start(): void {
        const account = savedAccount();
        const foreign = account !== undefined && account.homeserver !== location.origin;
        if (account && foreign !== isElsewhere) {
            const { pathname, search, hash } = location;
            location.replace(`${foreign ? elsewherePath + pathname : pathname.slice(elsewherePath.length) || homePath}${search}${hash}`); // to the policy that it needs
            return;
        }
        void (account ? this.#open(false) : this.#outside());
    }

    readonly enter = (account: Account, password: string): void => {
        saveAccount(account);
        accountChanged();
        const { at } = placeNow();
        if (at === "setup" || at === "register") go(homePath, true); // what the address had in it is used up; a room's stays
        void this.#open(true, password);
    };

    /** Uses this tab instead of the one that has the account open. */
    readonly takeOver = (): void => {
        void this.#open(true);
    };

    readonly leave = async (session: Session): Promise<void> => {
        this.phase.set(opening);
        await session.signOut();
        accountChanged();
        location.replace(homePath); // nothing of the account stays in memory
    };

    readonly forget = async (): Promise<void> => {
        const phase = this.phase.get();
        if (phase.at === "inside") phase.session.close();
        await forgetAccount();
        accountChanged();
        location.replace(homePath);
    };

    #outside(): void {
        this.phase.set({ at: "outside" });
        void import("../session/session"); // while the person types
    }

    async #open(steal: boolean, password?: string): Promise<void> {
        this.phase.set(opening);
        try {
            const account = savedAccount();
            if (!account) {
                this.#outside();
                return;
            }
            if (!(await holdTab(steal, () => this.#lost()))) {
                this.phase.set({ at: "elsewhere" });
                return;
            }
            void readGlance(account).then((seen) => {
                if (seen && this.phase.get() === opening) this.phase.set({ at: "opening", seen });
            });
            const { Session } = await import("../session/session");
            const session = await Session.open(account, password);
            if (this.phase.get().at === "elsewhere") session.close(); // another tab has taken over meanwhile
            else this.phase.set({ at: "inside", session });
        } catch (error) {
            console.error("the account cannot be opened", error);
            this.phase.set({ at: "failed" });
        }
    }

    /** Another tab has taken over. */
    #lost(): void {
        const phase = this.phase.get();
        if (phase.at === "inside") phase.session.close();
        this.phase.set({ at: "elsewhere" });
    }
}
