import { Direction, EventType, TimelineWindow } from "matrix-js-sdk";
import type { MatrixClient, MatrixEvent, Room } from "matrix-js-sdk";
import { zip } from "fflate";
import type { AsyncZippable } from "fflate";
import { plainName } from "../store/names";

const page = 100; // events that are asked for at once

export interface TakeoutWords {
    language: string;
    exact: (at: number) => string;
    title: (room: string) => string;
    unreadable: string;
    deleted: string;
}

/** How far it has come. */
export interface TakeoutProgress {
    room: string; // name of the one that is being read
    messages: number; // read in all
}

/**
 * Everything of the person's in one ZIP file: profile, sessions, account data, list of rooms, and the messages of the chosen
 * rooms, decrypted by this device, for programs (JSON) and for reading (HTML).
 */
export async function takeOut(
    client: MatrixClient, rooms: string[], words: TakeoutWords, tell: (progress: TakeoutProgress) => void, signal: AbortSignal,
): Promise<Blob> {
    const own = client.getSafeUserId();
    const files: AsyncZippable = {};
    const json = (value: unknown): Uint8Array => new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`);
    files["profile.json"] = json({ user_id: own, ...(await client.getProfileInfo(own)) });
    files["devices.json"] = json((await client.getDevices()).devices);
    files["account-data.json"] = json(accountData(client));
    files["rooms.json"] = json(client.getRooms().filter((room) => room.getMyMembership() === "join").map((room) => aboutRoom(room)));
    const names = new Set<string>();
    let messages = 0;
    for (const id of rooms) {
        const room = client.getRoom(id);
        if (!room) continue;
        const name = plainName(room.name);
        const folder = `rooms/${fileName(name, names)}`;
        tell({ room: name, messages });
        const events = await wholeHistory(client, room, signal, (count) => tell({ room: name, messages: messages + count }));
        messages += events.length;
        files[`${folder}/events.json`] = json(events.map((event) => event.getEffectiveEvent()));
        files[`${folder}/messages.html`] = new TextEncoder().encode(readable(room, events, words));
    }
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
        zip(files, { level: 6 }, (error, data) => (error ? reject(error) : resolve(new Blob([data], { type: "application/zip" }))));
    });
}

/** Keys that are stored there are sealed, and of use to nobody without the recovery key: they stay in it. */
function accountData(client: MatrixClient): Record<string, unknown> {
    const { accountData } = client.store as unknown as { accountData: Map<string, MatrixEvent> };
    return Object.fromEntries([...accountData].map(([type, event]): [string, unknown] => [type, event.getContent()]));
}

function aboutRoom(room: Room): object {
    const state = room.getLiveTimeline().getState(Direction.Forward);
    return {
        room_id: room.roomId, name: room.name, alias: room.getCanonicalAlias(), version: room.getVersion(), encrypted: room.hasEncryptionStateEvent(),
        topic: state?.getStateEvents(EventType.RoomTopic, "")?.getContent<{ topic?: string }>().topic,
        tags: Object.keys(room.tags),
        members: room.getJoinedMembers().map((member) => ({ user_id: member.userId, name: member.name })),
    };
}

/** All events of a room that the person may see, the oldest first. */
async function wholeHistory(client: MatrixClient, room: Room, signal: AbortSignal, tell: (count: number) => void): Promise<MatrixEvent[]> {
    const window = new TimelineWindow(client, room.getUnfilteredTimelineSet(), { windowLimit: Infinity });
    await window.load(undefined, page);
    while (window.canPaginate(Direction.Backward)) {
        signal.throwIfAborted();
        await window.paginate(Direction.Backward, page);
        tell(window.getEvents().length);
    }
    const events = window.getEvents();
    for (const event of events) await client.decryptEventIfNeeded(event).catch(() => undefined);
    return events;
}

/** A name that any file system takes, used once. */
export function fileName(name: string, taken: Set<string>): string {
    const plain = name.replace(/[^\p{L}\p{N} _-]+/gu, " ").replace(/\s+/g, " ").trim().slice(0, 60) || "room";
    let unused = plain;
    for (let i = 2; taken.has(unused.toLowerCase()); i++) unused = `${plain} ${i}`;
    taken.add(unused.toLowerCase());
    return unused;
}

const escaped = (text: string): string => text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);

function readable(room: Room, events: MatrixEvent[], words: TakeoutWords): string {
    const title = escaped(words.title(plainName(room.name)));
    const lines = events.filter((event) => !event.isState() && !event.isRelation("m.replace")).flatMap((event) => {
        const text = textOf(event, words);
        if (text === undefined) return [];
        const who = plainName(room.getMember(event.getSender()!)?.name ?? event.getSender()!);
        const at = new Date(event.getTs());
        return `<p><b>${escaped(who)}</b> <time datetime="${at.toISOString()}">${escaped(words.exact(event.getTs()))}</time><br>${escaped(text).replaceAll("\n", "<br>")}</p>`;
    });
    return `<!doctype html>
<html lang="${words.language}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${title}</title>
<style>body { max-width: 45rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif } time { color: #666; font-size: 0.85em }</style>
</head>
<body>
<h1>${title}</h1>
${lines.join("\n")}
</body>
</html>
`;
}

function textOf(event: MatrixEvent, words: TakeoutWords): string | undefined {
    if (event.isRedacted()) return words.deleted;
    if (event.isDecryptionFailure()) return words.unreadable;
    const { body } = event.getContent<{ body?: unknown }>();
    return typeof body === "string" ? body : undefined;
}
