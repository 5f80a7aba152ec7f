import { EventType, JoinRule, Method, Visibility } from "matrix-js-sdk";
import type { MatrixClient, MatrixError } from "matrix-js-sdk";
import type { Entry, History } from "../store/details";
import { withPower, withRole } from "../store/roles";
import type { Permission } from "../store/roles";
import type { Powers } from "../store/standing";
import { serverOf } from "../store/names";
import { uploadPicture } from "./media/picture";

/** What can be set of a room, and done with its members. The server judges; what it refuses is thrown. */
export class Governing {
    constructor(readonly client: MatrixClient) {}

    async name(room: string, name: string): Promise<void> {
        await this.client.setRoomName(room, name);
    }

    async topic(room: string, topic: string): Promise<void> {
        await this.client.setRoomTopic(room, topic);
    }

    async picture(room: string, mxc: string): Promise<void> {
        await this.client.sendStateEvent(room, EventType.RoomAvatar, mxc ? { url: mxc } : {});
    }

    async uploadPicture(room: string, file: Blob): Promise<void> {
        await this.picture(room, await uploadPicture(this.client, file));
    }

    /** spaces: whose members may come in. */
    async entry(room: string, entry: Entry, spaces: string[]): Promise<void> {
        const rule = { invite: "invite", ask: "knock", space: "restricted", spaceOrAsk: "knock_restricted", public: "public" }[entry];
        const allow = spaces.map((space) => ({ type: "m.room_membership", room_id: space }));
        const content = { join_rule: rule, ...(rule.endsWith("restricted") && { allow }) };
        await this.client.sendStateEvent(room, EventType.RoomJoinRules, content as never); // the SDK's type knows less than the specification
    }

    async history(room: string, history: History): Promise<void> {
        await this.client.sendStateEvent(room, EventType.RoomHistoryVisibility, { history_visibility: history } as never);
    }

    async encrypt(room: string): Promise<void> {
        await this.client.sendStateEvent(room, EventType.RoomEncryption, { algorithm: "m.megolm.v1.aes-sha2" });
    }

    async permit(room: string, permission: Permission, power: number): Promise<void> {
        await this.#changePowers(room, (powers) => withPower(powers, permission, power));
    }

    async role(room: string, user: string, power: number): Promise<void> {
        await this.#changePowers(room, (powers) => withRole(powers, user, power));
    }

    /** Whoever changes roles at the same time must not be undone: the server's are taken, not those that are remembered. */
    async #changePowers(room: string, change: (powers: Powers) => Powers): Promise<void> {
        const powers = (await this.client.getStateEvent(room, EventType.RoomPowerLevels, "")) as Powers;
        await this.client.sendStateEvent(room, EventType.RoomPowerLevels, change(powers));
    }

    /** Addresses that this server keeps for the room. */
    async aliases(room: string): Promise<string[]> {
        return (await this.client.getLocalAliases(room)).aliases;
    }

    /** name: the first part of the address. */
    async addAlias(room: string, name: string, main: boolean): Promise<void> {
        const alias = `#${name}:${serverOf(this.client.getSafeUserId())}`;
        await this.client.createAlias(alias, room);
        if (main) await this.mainAlias(room, alias);
    }

    async removeAlias(room: string, alias: string): Promise<void> {
        const content = await this.#canonical(room);
        if (content.alias === alias || content.alt_aliases?.includes(alias)) {
            const rest = content.alt_aliases?.filter((other) => other !== alias);
            await this.client.sendStateEvent(room, EventType.RoomCanonicalAlias, { ...(content.alias !== alias && content), ...(rest && { alt_aliases: rest }) });
        }
        await this.client.deleteAlias(alias);
    }

    async mainAlias(room: string, alias: string): Promise<void> {
        await this.client.sendStateEvent(room, EventType.RoomCanonicalAlias, { ...(await this.#canonical(room)), alias });
    }

    async #canonical(room: string): Promise<{ alias?: string; alt_aliases?: string[] }> {
        try {
            return (await this.client.getStateEvent(room, EventType.RoomCanonicalAlias, "")) as { alias?: string; alt_aliases?: string[] };
        } catch (error) {
            if ((error as MatrixError).httpStatus === 404) return {};
            throw error;
        }
    }

    async listed(room: string): Promise<boolean> {
        const { visibility }: { visibility: string } = await this.client.getRoomDirectoryVisibility(room);
        return visibility === "public";
    }

    async list(room: string, on: boolean): Promise<void> {
        await this.client.setRoomDirectoryVisibility(room, on ? Visibility.Public : Visibility.Private);
    }

    async invite(room: string, user: string): Promise<void> {
        await this.client.invite(room, user);
    }

    async kick(room: string, user: string, reason: string): Promise<void> {
        await this.client.kick(room, user, reason || undefined);
    }

    async ban(room: string, user: string, reason: string): Promise<void> {
        await this.client.ban(room, user, reason || undefined);
    }

    async unban(room: string, user: string): Promise<void> {
        await this.client.unban(room, user);
    }

    /** Leaves a room; forget: what was in it is then out of reach too. */
    async leave(room: string, forget: boolean): Promise<void> {
        await this.client.leave(room);
        if (forget) await this.forget(room);
    }

    async forget(room: string): Promise<void> {
        await this.client.forget(room);
    }

    async report(room: string, reason: string): Promise<void> {
        await this.client.reportRoom(room, reason);
    }

    async reportUser(user: string, reason: string): Promise<void> {
        await this.client.http.authedRequest(Method.Post, `/users/${encodeURIComponent(user)}/report`, undefined, { reason });
    }

    /** The version that the server recommends, when a room has another one. */
    async newerVersion(version: string): Promise<string | undefined> {
        const wanted = (await this.client.getCapabilities())["m.room_versions"]?.default;
        return wanted && wanted !== version && Number(wanted) > Number(version) ? wanted : undefined;
    }

    /** Ends a room and begins one of a newer version in its place; gives the new one. Its members are invited where nobody comes in uninvited. */
    async upgrade(room: string, version: string): Promise<string> {
        const old = this.client.getRoom(room);
        await old?.loadMembersIfNeeded();
        const own = this.client.getSafeUserId();
        const members = old?.getJoinRule() === JoinRule.Public ? [] : (old?.getJoinedMembers() ?? []).filter((member) => member.userId !== own);
        const next = (await this.client.upgradeRoom(room, version)).replacement_room;
        for (const { userId } of members) {
            await this.client.invite(next, userId).catch((error: unknown) => console.warn("a member could not be invited into the new room", error));
        }
        return next;
    }
}
