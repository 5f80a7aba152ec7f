import type { FileGist } from "../store/attachment";
import type { Gist } from "../store/gist";
import { plainOf, plainText } from "../store/plain";
import type { Strings } from "./en";

interface About {
    who: string; // name of who did it
    mine: boolean;
    whom?: string;
}

/** What an event says, in one line. */
export function gistText(gist: Gist, strings: Strings, about: About): string {
    const words = strings.room;
    switch (gist.is) {
        case "text":
            return gist.manner === "did" ? `${about.who} ${plainOf(gist)}` : plainOf(gist);
        case "poll":
            return `${strings.talk.poll.name}: ${gist.question}`;
        case "file":
            return fileText(gist, words);
        case "deleted":
            return words.deleted;
        case "unreadable":
            return { before: words.before, waiting: words.keyComing, ...strings.own.unreadable.why }[gist.why];
        case "news":
            return newsText(gist, strings, about);
    }
}

/** Whoever has given a file a caption means that; names that cameras and recorders make up say nothing. */
function fileText(gist: FileGist, words: Strings["room"]): string {
    const named = (gist.kind !== "location" && plainText(gist.html ?? "", gist.caption)) || (gist.kind === "file" || gist.kind === "audio" ? gist.name : "");
    return named ? `${words.file[gist.kind]}: ${named}` : words.file[gist.kind];
}

function newsText({ what, value, whom: address }: Extract<Gist, { is: "news" }>, { news, own }: Strings, { who, mine, whom = address }: About): string {
    switch (what) {
        case "created":
            return mine ? news.you.created : news.created(who);
        case "encrypted":
            return news.encrypted;
        case "verifying":
            return mine ? own.unreadable.verificationYou : own.unreadable.verification(who);
        case "named":
            return mine ? news.you.named(value) : news.named(who, value);
        case "joined":
            return mine ? news.you.joined : news.joined(whom);
        case "left":
            return mine ? news.you.left : news.left(whom);
        case "invited":
            return mine ? news.you.invited(whom) : news.invited(who, whom);
        case "pinned":
            return mine ? news.you.pinned : news.pinned(who);
        case "removed":
            return mine ? news.you.removed(whom) : news.removed(who, whom);
    }
}
