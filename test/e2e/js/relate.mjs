import { NotificationCountType, ReceiptType, ThreadFilterType } from "matrix-js-sdk";

// edits puts another text in the place of a message.
export async function edits(d, { room, event, text }) {
    const content = { msgtype: "m.text", body: text };
    const { event_id: id } = await d.client.sendMessage(room, {
        ...content,
        body: `* ${text}`,
        "m.new_content": content,
        "m.relates_to": { rel_type: "m.replace", event_id: event },
    });
    return id;
}

// reacts puts an emoji under a message.
export async function reacts(d, { room, event, key }) {
    const relation = { rel_type: "m.annotation", event_id: event, key };
    return (await d.client.sendEvent(room, "m.reaction", { "m.relates_to": relation })).event_id;
}

export async function redacts(d, { room, event }) {
    await d.client.redactEvent(room, event);
}

// seesRedacted waits until a message is gone.
export async function seesRedacted(d, { room, event }) {
    await d.until(`${event} as redacted`, () => d.room(room).findEventById(event)?.isRedacted());
}

// seesReactions waits until a message has exactly these reactions, each with the people who gave it.
export async function seesReactions(d, { room, event, want }) {
    const sorted = (lists) => JSON.stringify(Object.entries(lists).sort());
    let last = {};
    const has = () => {
        const found = d.room(room).relations.getChildEventsForEvent(event, "m.annotation", "m.reaction");
        const byKey = found?.getSortedAnnotationsByKey() ?? [];
        last = Object.fromEntries(byKey.filter(([, s]) => s.size > 0).map(([k, s]) => [k, [...s].map((e) => e.getSender()).sort()]));
        return sorted(last) === sorted(want);
    };
    await d.until(() => `the reactions ${JSON.stringify(want)} to ${event}, but ${JSON.stringify(last)}`, has);
}

// seesThread waits until a thread has so many answers, the last of them with this text, and the server says so too. The
// library's own number is no measure: it counts twice what comes while it begins a thread.
export async function seesThread(d, { room, root, answers, last }) {
    let shown;
    let counted;
    const sees = async () => {
        const thread = d.room(room).getThread(root);
        shown = (thread?.events ?? []).filter((e) => e.isRelation("m.thread") && !e.status).map((e) => e.getContent().body);
        if (shown.length !== answers || shown.at(-1) !== last) return false;
        counted = (await d.client.fetchRoomEvent(room, root)).unsigned["m.relations"]["m.thread"].count;
        return counted === answers;
    };
    await d.until(() => `${answers} answers under ${root}, the last "${last}", but ${JSON.stringify(shown)}, counted ${counted}`, sees);
}

// threads lists the roots of the threads of a room as the server has them, the one with the last answer first.
export async function threads(d, { room, include }) {
    const filter = include === "participated" ? ThreadFilterType.My : ThreadFilterType.All;
    const { chunk } = await d.client.createThreadListMessagesRequest(room, null, 20, "b", filter);
    return chunk.reverse().map((e) => {
        const { count, current_user_participated: participated } = e.unsigned["m.relations"]["m.thread"];
        return { root: e.event_id, answers: count, participated };
    });
}

// reads tells the others, or with secretly the user's own devices, that the room is read to there.
export async function reads(d, { room, event, secretly }) {
    const e = await d.until(`event ${event}`, () => d.room(room).findEventById(event));
    await d.client.sendReadReceipt(e, secretly ? ReceiptType.ReadPrivate : ReceiptType.Read);
}

// seesRead waits until somebody has read to an event, in the main timeline or in the thread under a root.
export async function seesRead(d, { room, user, event, thread }) {
    await d.until(`that ${user} has read ${event}`, () => {
        const where = thread ? d.room(room).getThread(thread) : d.room(room);
        return where?.getEventReadUpTo(user, true) === event;
    });
}

export function readTo(d, { room, user }) {
    return d.room(room).getEventReadUpTo(user, true);
}

// seesUnread waits for the number at the room, or at a thread of it: of all that notifies, or of what is about the person.
export async function seesUnread(d, { room, thread, want, mine }) {
    const kind = mine ? NotificationCountType.Highlight : NotificationCountType.Total;
    let last;
    const counts = () => {
        const r = d.room(room);
        last = thread ? r.getThreadUnreadNotificationCount(thread, kind) : r.getRoomUnreadNotificationCount(kind);
        return last === want;
    };
    await d.until(() => `${want} unread, but ${last}`, counts);
}

// mentions says something to somebody.
export async function mentions(d, { room, user, text }) {
    return (await d.client.sendMessage(room, { msgtype: "m.text", body: text, "m.mentions": { user_ids: [user] } })).event_id;
}

export async function types(d, { room, typing }) {
    await d.client.sendTyping(room, typing, 20_000);
}

export async function seesTyping(d, { room, user, typing }) {
    await d.until(`${user} ${typing ? "typing" : "not typing"}`, () => Boolean(d.room(room).getMember(user)?.typing) === typing);
}
