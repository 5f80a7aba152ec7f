import { Value, useValue } from "./value";

/** What is shown of a room beside its messages; the rest of its address says of whom or what. */
const talkPanels = ["thread", "threads", "pins", "search"] as const; // of its messages
const detailPanels = ["info", "members", "member", "settings", "roles", "invite", "link", "leave"] as const; // of itself
const panels = [...detailPanels, ...talkPanels];
export type DetailPanel = (typeof detailPanels)[number];
export type Panel = (typeof panels)[number];

/** Where the person is in the app: the address, taken apart. */
export type Place =
    | { at: "home" }
    | { at: "room"; room: string; via: string[]; panel?: Panel; of?: string; event?: string } // event: a message to be shown
    | { at: "user"; user: string }
    | { at: "explore"; server: string }
    | { at: "invite" }
    | { at: "servers" }
    | { at: "settings"; section: string } // "" for their list
    | { at: "setup"; token: string }
    | { at: "register"; token: string };

const elsewhere = /^\/elsewhere(?=\/|$)/;

export function placeOf(url: URL): Place {
    // A link that is passed on has its way behind #: then the server through which it is opened is not told of it.
    const passedOn = url.hash.startsWith("#/") ? new URL(url.hash.slice(1), url.origin) : undefined;
    if (passedOn) return placeOf(passedOn);
    const [first, second, third, fourth] = url.pathname.replace(elsewhere, "").split("/").filter(Boolean).map(decoded);
    if (first === "room" && second) {
        const panel = panels.find((name) => name === third);
        const event = url.searchParams.get("event");
        return { at: "room", room: second, via: url.searchParams.getAll("via"), ...(event && { event }), ...(panel && { panel }), ...(panel && fourth && { of: fourth }) };
    }
    if (first === "settings") return { at: "settings", section: second ?? "" };
    if (first === "user" && second) return { at: "user", user: second };
    if (first === "explore") return { at: "explore", server: second ?? "" };
    if (first === "invite" || first === "servers") return { at: first };
    if (first === "join") return { at: "register", token: new URLSearchParams(url.hash.slice(1)).get("token") ?? "" };
    if (first === "setup" || first === "register") return { at: first, token: url.searchParams.get("token") ?? "" };
    return { at: "home" };
}

/** What cannot be decoded is taken as it is. */
function decoded(part: string): string {
    try {
        return decodeURIComponent(part);
    } catch {
        return part;
    }
}

/** Whether the page was opened where another homeserver may be used: only there does the browser let it talk to one. */
export const isElsewhere: boolean = elsewhere.test(location.pathname);
export const elsewherePath = "/elsewhere";

export const isDetail = (panel: Panel | undefined): panel is DetailPanel => detailPanels.some((name) => name === panel);

export const homePath = "/";
export const registerPath = "/register";
export const invitePath = "/invite";
export const serversPath = "/servers";
export const roomPath = (id: string, panel?: Panel, of?: string): string => `/${["room", encodeURIComponent(id), panel, of && encodeURIComponent(of)].filter(Boolean).join("/")}`;
export const eventPath = (room: string, event: string, thread?: string): string => `${roomPath(room, thread ? "thread" : undefined, thread)}?event=${encodeURIComponent(event)}`;
export const userPath = (id: string): string => `/user/${encodeURIComponent(id)}`;
export const explorePath = (server = ""): string => (server ? `/explore/${encodeURIComponent(server)}` : "/explore");

/** Links to give to others. */
export const joinLink = (server: string, token: string): string => `${server}/join${token ? `#token=${encodeURIComponent(token)}` : ""}`;
export const roomLink = (server: string, room: string, via: string[]): string => `${server}/#${roomPath(room)}${via.length > 0 ? `?${via.map((name) => `via=${encodeURIComponent(name)}`).join("&")}` : ""}`;
export const userLink = (server: string, user: string): string => `${server}/#${userPath(user)}`;
export const settingsPath = (section = ""): string => (section ? `/settings/${section}` : "/settings");

const place = new Value<Place>(placeOf(new URL(location.href)));
const look = (): void => place.set(placeOf(new URL(location.href)));
addEventListener("popstate", look);

/** Goes somewhere; replace: without a step to come back to. */
export function go(path: string, replace = false): void {
    const whole = isElsewhere ? elsewherePath + path : path;
    if (whole === location.pathname + location.search + location.hash) return;
    history[replace ? "replaceState" : "pushState"](null, "", whole);
    look();
}

/** Where the person is now; screens use usePlace. */
export const placeNow = (): Place => place.get();

export const usePlace = (): Place => useValue(place);
