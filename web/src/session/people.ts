import { EventType, Preset, Visibility } from "matrix-js-sdk";
import type { ICreateRoomOpts, MatrixClient } from "matrix-js-sdk";
import { plainName, serverOf } from "../store/names";

export interface Person {
    id: string;
    name: string;
    picture?: string; // mxc address
}

const encryption = { type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } };

/** Finding people, and beginning conversations with them. */
export class People {
    constructor(readonly client: MatrixClient) {}

    /** Who fits what has been typed: whom the server knows, and who is named by a whole address. */
    async find(typed: string): Promise<Person[]> {
        const term = typed.trim();
        if (!term) return [];
        const own = this.client.getSafeUserId();
        const found = (await this.client.searchUserDirectory({ term, limit: 8 })).results
            .filter((user) => user.user_id !== own)
            .map((user) => ({ id: user.user_id, name: plainName(user.display_name ?? user.user_id), picture: user.avatar_url ?? "" }));
        const exact = addressOf(term, serverOf(own));
        if (exact && exact !== own && !found.some((person) => person.id === exact)) {
            try {
                found.push(await this.profile(exact));
            } catch {
                // there is nobody of that name
            }
        }
        return found;
    }

    /** Who somebody is, by the own or another server; throws when there is nobody of that name. */
    async profile(user: string): Promise<Required<Person>> {
        const profile = await this.client.getProfileInfo(user);
        return { id: user, name: plainName(profile.displayname ?? user), picture: profile.avatar_url ?? "" };
    }

    /** The conversation with one person: the one that there is, or a new one. */
    async talkTo(person: Person): Promise<string> {
        const direct = this.#direct();
        const known = direct[person.id]?.find((id) => {
            const membership = this.client.getRoom(id)?.getMyMembership();
            return membership === "join" || membership === "invite";
        });
        if (known) return known;
        const room = await this.#create({ preset: Preset.TrustedPrivateChat, is_direct: true, invite: [person.id] });
        await this.client.setAccountData(EventType.Direct, { ...direct, [person.id]: [...(direct[person.id] ?? []), room] });
        return room;
    }

    group(name: string, people: Person[]): Promise<string> {
        return this.#create({ preset: Preset.PrivateChat, name, invite: people.map((person) => person.id) });
    }

    async join(roomId: string): Promise<void> {
        const room = this.client.getRoom(roomId);
        const own = room?.getMember(this.client.getSafeUserId());
        const from = own?.events.member?.getSender();
        const isDirect = own?.events.member?.getContent().is_direct === true;
        await this.client.joinRoom(roomId);
        if (isDirect && from) {
            const direct = this.#direct();
            await this.client.setAccountData(EventType.Direct, { ...direct, [from]: [...(direct[from] ?? []), roomId] });
        }
    }

    async leave(roomId: string): Promise<void> {
        await this.client.leave(roomId);
    }

    #direct(): Record<string, string[]> {
        return this.client.getAccountData(EventType.Direct)?.getContent<Record<string, string[]>>() ?? {};
    }

    async #create(wish: ICreateRoomOpts): Promise<string> {
        const { room_id } = await this.client.createRoom({ ...wish, visibility: Visibility.Private, initial_state: [encryption] });
        return room_id;
    }
}

/** "bob", "@bob" and "@bob:house.example" as an address; undefined when it cannot be one. */
export function addressOf(typed: string, server: string): string | undefined {
    const [, name, at] = /^@?([a-z0-9._=/+-]+)(?::(\S+))?$/.exec(typed) ?? [];
    return name ? `@${name}:${at ?? server}` : undefined;
}
