import { EventTimeline } from "matrix-js-sdk";
import type { MatrixClient, MatrixEvent, Room } from "matrix-js-sdk";

/** One picture of a collection. */
export interface PackImage {
    shortcode: string;
    name: string;
    url: string; // mxc:
    info: Record<string, unknown>;
}

export interface Pack {
    key: string;
    name: string;
    own: boolean; // the person's, who may change it
    images: PackImage[];
}

// Packs of rooms are in the specification; before that, clients of the field wrote them by names of their own, and a person's own
// pack is still known by such a name only.
const roomTypes = ["m.room.image_pack", "im.ponies.room_emotes"];
const chosenTypes = ["m.image_pack.rooms", "im.ponies.emote_rooms"];
export const ownType = "im.ponies.user_emotes";
const deepest = 5; // limit: spaces above a room whose stickers are offered | 5 | those further up are not
const mostImages = 500; // limit: stickers of one collection | 500 | the others are not shown

type Loose = Record<string, unknown>;

const loose = (value: unknown): Loose => (typeof value === "object" && value !== null ? (value as Loose) : {});

/** The collections of stickers for a room: the person's, those that the person has chosen, the room's, those of the spaces that it is in. */
export function packsFor(client: MatrixClient, roomId: string, ownName: string): Pack[] {
    const packs: (Pack | undefined)[] = [packOf(accountData(client, ownType), ownName, "own", true)];
    for (const type of chosenTypes) {
        for (const [id, keys] of Object.entries(loose(accountData(client, type).rooms))) {
            const room = client.getRoom(id);
            for (const key of Object.keys(loose(keys))) packs.push(...packsOf(room, key));
        }
    }
    let room: Room | null = client.getRoom(roomId);
    for (let i = 0; room && i <= deepest; i++) {
        packs.push(...packsOf(room));
        room = spaceOf(client, room);
    }
    const there = packs.filter((pack): pack is Pack => pack !== undefined && pack.images.length > 0);
    return [...new Map(there.map((pack) => [pack.key, pack])).values()];
}

function packsOf(room: Room | null, only?: string): (Pack | undefined)[] {
    const state = room?.getLiveTimeline().getState(EventTimeline.FORWARDS);
    return roomTypes.flatMap((type) => state?.getStateEvents(type) ?? [])
        .filter((event) => only === undefined || event.getStateKey() === only)
        .map((event) => packOf(event.getContent(), room!.name, `${room!.roomId} ${event.getStateKey() ?? ""}`, false));
}

/** The space that a room says to be in, if the person is there too. */
function spaceOf(client: MatrixClient, room: Room): Room | null {
    const parents: MatrixEvent[] = room.getLiveTimeline().getState(EventTimeline.FORWARDS)?.getStateEvents("m.space.parent") ?? [];
    const parent = parents.find((event) => event.getContent().canonical === true && Array.isArray(event.getContent().via));
    const space = parent && client.getRoom(parent.getStateKey());
    return space?.getMyMembership() === "join" ? space : null;
}

/** A collection as it is offered; undefined when it is for use within a text only. */
export function packOf(content: unknown, roomName: string, key: string, own: boolean): Pack | undefined {
    const { images, pack } = loose(content);
    const { display_name: name, usage } = loose(pack);
    if (Array.isArray(usage) && usage.length > 0 && !usage.includes("sticker")) return undefined;
    return {
        key,
        name: own || typeof name !== "string" || !name ? roomName : name,
        own,
        images: Object.entries(loose(images)).slice(0, mostImages).flatMap(([shortcode, value]) => {
            const { url, body, info } = loose(value);
            if (typeof url !== "string" || !/^mxc:\/\/[^/?#\s]+\/[\w-]+$/.test(url)) return [];
            return [{ shortcode, name: typeof body === "string" && body ? body : shortcode, url, info: loose(info) }];
        }),
    };
}

export function accountData(client: MatrixClient, type: string): Loose {
    const event: MatrixEvent | undefined = client.getAccountData(type as never);
    return loose(event?.getContent());
}
