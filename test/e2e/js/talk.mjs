import { Direction, EventStatus, TimelineWindow } from "matrix-js-sdk";
import { timeline } from "./device.mjs";

// creates makes a room, and waits until the device is in it.
export async function creates(d, { options }) {
    const { room_id: room } = await d.client.createRoom(options);
    await is(d, { room, membership: "join" });
    return room;
}

export async function invites(d, { room, user }) {
    await d.client.invite(room, user);
}

// joins accepts an invitation, which must have come first.
export async function joins(d, { room }) {
    await is(d, { room, membership: "invite" });
    await d.client.joinRoom(room);
    await is(d, { room, membership: "join" });
}

// is waits for the user's own membership.
export async function is(d, { room, membership }) {
    await d.until(`that it is ${membership} in ${room}`, () => d.client.getRoom(room)?.getMyMembership() === membership);
}

// seesMember waits for somebody's membership.
export async function seesMember(d, { room, user, membership }) {
    await d.until(`${user} as ${membership}`, () => d.client.getRoom(room)?.getMember(user)?.membership === membership);
}

// seesName waits until somebody is shown by this name.
export async function seesName(d, { room, user, name }) {
    await d.until(`${user} called ${name}`, () => d.client.getRoom(room)?.getMember(user)?.name === name);
}

// seesTag waits until the person has put a room among these: m.favourite, m.lowpriority ...
export async function seesTag(d, { room, tag }) {
    await d.until(`the tag ${tag}`, () => d.room(room).tags[tag]);
}

// bodies lists the texts that the device has of a room.
export function bodies(d, { room }) {
    return timeline(d.room(room)).flatMap((e) => e.getContent().body ?? []);
}

// searches asks the server for messages with these words, and gives their texts.
export async function searches(d, { text }) {
    const { results } = await d.client.searchRoomEvents({ term: text });
    return results.map((r) => r.context.ourEvent.getContent().body);
}

// ignores waits until the device knows that somebody is ignored.
export async function ignores(d, { user }) {
    await d.until(`that ${user} is ignored`, () => d.client.isUserIgnored(user));
}

// says sends a text, into the thread under an event if there is one.
export async function says(d, { room, text, thread }) {
    if (thread) await d.until(`the thread of ${thread}`, () => opened(d.room(room), thread).initialEventsFetched);
    return (await d.client.sendTextMessage(room, thread ?? null, text)).event_id;
}

// opened is a thread as when somebody has clicked on it, whether anything is in it yet or not.
function opened(room, root) {
    return room.getThread(root) ?? room.createThread(root, room.findEventById(root), [], true);
}

// sees waits for a message with this text that the device can read.
export async function sees(d, { room, text }) {
    const found = await d.until(`the message "${text}"`, async () => {
        const known = d.client.getRoom(room);
        await known?.decryptAllEvents(); // sliding sync leaves what nobody looks at
        return known && timeline(known).find((e) => e.getContent().body === text && !e.isSending());
    });
    return seen(d, found);
}

// unreadable lists what the device holds of a room and cannot decrypt.
export function unreadable(d, { room }) {
    return timeline(d.room(room))
        .filter((e) => e.isDecryptionFailure())
        .map((e) => `${e.getId()} of ${e.getSender()}: ${e.decryptionFailureReason}`);
}

// goesOffline loses the network, comesBack has it again. losesNext loses it when the next message has been sent and before the
// answer is there.
export function goesOffline(d) {
    d.offline = true;
}

export function losesNext(d) {
    d.losing = true;
}

export function comesBack(d) {
    d.offline = d.losing = false;
    d.client.retryImmediately();
}

// scrollsUp fetches all there is of a room, and gives the texts in their order.
export async function scrollsUp(d, { room }) {
    const screen = new TimelineWindow(d.client, d.room(room).getUnfilteredTimelineSet(), { windowLimit: 1000 });
    await screen.load();
    while (screen.canPaginate(Direction.Backward)) await screen.paginate(Direction.Backward, 15);
    await Promise.all(screen.getEvents().map((e) => d.client.decryptEventIfNeeded(e)));
    return screen.getEvents().flatMap((e) => (e.getType() === "m.room.message" ? e.getContent().body : []));
}

// insists says something, and again if it could not be sent, until the server is known to have it: by its answer, or because
// the message comes back with sync.
export async function insists(d, { room, text }) {
    const events = () => d.room(room).getLiveTimeline().getEvents();
    let sent = await d.client.sendTextMessage(room, text).catch(() => null);
    await d.until("that it is sent", async () => {
        const failed = events().find((e) => e.status === EventStatus.NOT_SENT);
        if (failed && !sent) sent = await d.client.resendEvent(failed, d.room(room)).catch(() => null);
        return sent || events().some((e) => e.getContent().body === text && !e.status);
    });
}

// cannotRead waits until so many events cannot be decrypted.
export async function cannotRead(d, { room, want }) {
    await d.until(`${want} events that cannot be read`, () => unreadable(d, { room }).length === want);
}

// seen is an event as the person sees it.
async function seen(d, e) {
    const shield = e.isEncrypted() && (await d.client.getCrypto().getEncryptionInfoForEvent(e));
    return {
        id: e.getId(),
        sender: e.getSender(),
        encrypted: e.isEncrypted(),
        shield: shield ? shield.shieldColour : null,
        shieldReason: shield ? shield.shieldReason : null,
        thread: e.threadRootId ?? "",
    };
}
