const many = (n: number, one: string, other: string): string => (n === 1 ? one : other);

/** The words about other servers: on which side of a cut the person's own is, and who is beyond it. */
export const beyond = {
    title: "Other servers",
    details: "Details",

    // Lines
    cutOff: (since: string) => `This server has been cut off from the rest of the world since ${since}. People on it reach each other as ever.`,
    rehearsal: (since: string) => `A rehearsal: this server has kept itself cut off from the rest of the world since ${since}. People on it reach each other as ever.`,
    alone: (n: number, since: string) => `None of the ${n} other servers of your conversations has answered since ${since}. People on this one reach each other as ever.`,
    silent: (server: string, since: string) => `${server} has not answered since ${since}. Messages to it are kept, and go when it is back.`,
    silentMany: (n: number) => `${n} servers do not answer. Messages to them are kept, and go when they are back.`,
    healing: (server: string) => `${server} is back, and is being told what it missed.`,
    here: (server: string, since: string) => `${server} has not answered since ${since}. People there get what you write when it is back.`,
    hereMany: (n: number) => `${n} servers do not answer. People there get what you write when they are back.`,

    // The page
    outside: {
        reached: "The rest of the world is reached",
        cutOff: (since: string) => `Cut off from the rest of the world since ${since}`,
        rehearsal: (since: string) => `Rehearsing a cut since ${since}`,
        unknown: "Nothing has come from the rest of the world yet",
    },
    outsideLead: {
        reached: "This server hears from others outside.",
        cutOff: "This server reaches nobody outside. People on it reach each other as ever. What is written to others is kept, and goes when they are reached again.",
        rehearsal: "Whoever runs this server tries what goes on when everything else is gone. It ends by itself. What is written to others is kept until then.",
        unknown: "Nothing was tried since this server was started, or nobody outside has ever answered. People on it reach each other in any case.",
    },
    then: "What follows is how it stood before.",
    servers: "Servers of your conversations",
    reached: "Answers",
    silentSince: (since: string) => `Has not answered since ${since}`,
    healingNow: "Is back, and is being told what it missed",
    unknown: "Has never answered yet",
    last: (when: string) => `Last contact: ${when}`,
    never: "Never heard from",
    waiting: "Waiting to be sent:",
    events: (n: number) => `${n} ${many(n, "message", "messages")}`,
    rooms: (n: number) => `what is new in ${n} ${many(n, "conversation", "conversations")}`,
    notices: (n: number) => `${n} ${many(n, "notice", "notices")} between devices`,
    healed: (done: number, of: number) => `${done} of ${of} conversations caught up`,
    more: (n: number) => `And ${n} more ${many(n, "server", "servers")}.`,
    none: "Everybody in your conversations is on this server.",
    mute: "This server does not tell how it stands with others.",
};
