import type { AuthDict, MatrixClient } from "matrix-js-sdk";
import { plainName } from "../store/names";
import { Value } from "../store/value";
import type { Confirmation } from "./confirmation";

export interface Profile {
    name: string;
    picture: string; // mxc: address; "" when there is none
}

/** The account itself: how others see it, its password, its end. */
export class Own {
    readonly profile = new Value<Profile | undefined>(undefined); // undefined until it was asked for

    constructor(
        readonly client: MatrixClient,
        readonly confirmation: Confirmation,
    ) {}

    async load(): Promise<void> {
        const own = this.client.getSafeUserId();
        const { displayname, avatar_url } = await this.client.getProfileInfo(own);
        this.profile.set({ name: displayname ?? plainName(own), picture: avatar_url ?? "" });
    }

    async setName(name: string): Promise<void> {
        await this.client.setDisplayName(name);
        await this.load();
    }

    /** undefined: none. */
    async setPicture(file: Blob | undefined): Promise<void> {
        const { uploadPicture } = await import("./media/picture");
        await this.client.setAvatarUrl(file ? await uploadPicture(this.client, file) : "");
        await this.load();
    }

    /** signOut: all other sessions end, as somebody else may have them. */
    async changePassword(old: string, chosen: string, signOut: boolean): Promise<void> {
        await this.confirmation.run((proof) => this.client.setPassword((proof ?? undefined) as AuthDict, chosen, signOut), old);
    }

    /** Ends the account for good. erase: what was written is to be hidden from who joins later, as far as servers do. */
    async deactivate(erase: boolean): Promise<void> {
        await this.confirmation.run((proof) => this.client.deactivateAccount(proof ?? undefined, erase));
    }
}
