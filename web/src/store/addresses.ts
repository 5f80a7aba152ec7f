import { placeOf } from "./place";

/** What a Matrix address points at: matrix.to, the matrix: scheme, and links into this app. */
export type Target =
    | { to: "user"; user: string }
    | { to: "room"; room: string; via: string[] } // by id or by alias
    | { to: "event"; room: string; event: string; via: string[] };

const short: Record<string, string> = { u: "@", r: "#", roomid: "!" };

export function targetOf(href: string, origin: string): Target | undefined {
    if (!URL.canParse(href)) return undefined;
    const url = new URL(href);
    if (url.protocol === "matrix:") {
        const [kind = "", name = "", , event] = url.pathname.split("/");
        const sigil = short[kind];
        return sigil && name ? made(sigil + decodeURIComponent(name), event && `$${decodeURIComponent(event)}`, url.searchParams.getAll("via")) : undefined;
    }
    if (url.origin === "https://matrix.to") {
        const [path = "", query = ""] = url.hash.slice(2).split("?");
        const [first = "", second] = path.split("/").map(decoded);
        return made(first, second, new URLSearchParams(query).getAll("via"));
    }
    if (url.origin === origin) {
        const place = placeOf(url);
        if (place.at === "room") return made(place.room, place.event, place.via);
        if (place.at === "user") return made(place.user, undefined, []);
    }
    return undefined;
}

function made(first: string, event: string | undefined, via: string[]): Target | undefined {
    if (/^@[^:]+:.+/.test(first)) return { to: "user", user: first };
    if (!/^[#!]./.test(first)) return undefined;
    return event?.startsWith("$") ? { to: "event", room: first, event, via } : { to: "room", room: first, via };
}

function decoded(part: string): string {
    try {
        return decodeURIComponent(part);
    } catch {
        return part;
    }
}

export const userLink = (user: string): string => `https://matrix.to/#/${encodeURIComponent(user)}`;
export const roomLink = (room: string, via: string[] = []): string => `https://matrix.to/#/${encodeURIComponent(room)}${query(via)}`;
export const eventLink = (room: string, event: string, via: string[] = []): string =>
    `https://matrix.to/#/${encodeURIComponent(room)}/${encodeURIComponent(event)}${query(via)}`;

const query = (via: string[]): string => (via.length > 0 ? `?${via.map((server) => `via=${encodeURIComponent(server)}`).join("&")}` : "");
