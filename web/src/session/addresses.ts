/** A name as the first part of a room's address: small letters, digits and hyphens; of other alphabets what Unicode makes of them. */
export function aliasOf(name: string): string {
    return name.toLowerCase().normalize("NFKD").replace(/\p{M}/gu, "").replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 60);
}

export interface Target {
    room: string; // an id or an address; or of a person
    via: string[];
}

/**
 * A room or a person in what somebody has typed or pasted: an address, an id, a link of a Freehold (/#/room/…), of matrix.to, or matrix:.
 * server is where an address without one is.
 */
export function targetOf(typed: string, server: string): Target | undefined {
    const text = typed.trim();
    const link = /#\/(?:(?:room|user)\/)?([#!@%][^?]*)(?:\?(.*))?$/.exec(text);
    if (/^https?:/.test(text) && link) return targetIn(decode(link[1]!.split("/")[0]!), new URLSearchParams(link[2]).getAll("via"), server);
    const uri = /^matrix:(r|roomid|u)\/([^?]+)(?:\?(.*))?$/.exec(text);
    if (uri) return targetIn({ r: "#", roomid: "!", u: "@" }[uri[1] as "r"] + decode(uri[2]!), new URLSearchParams(uri[3]).getAll("via"), server);
    return targetIn(text, [], server);
}

function targetIn(address: string, via: string[], server: string): Target | undefined {
    if (/\s/.test(address)) return undefined;
    if (/^[#@][^:]+$/.test(address)) return { room: `${address}:${server}`, via };
    if (/^[#@][^:]+:[\w.:[\]-]+$/.test(address) || /^![^:]+(:[\w.:[\]-]+)?$/.test(address)) return { room: address, via };
    return undefined;
}

function decode(text: string): string {
    try {
        return decodeURIComponent(text);
    } catch {
        return text;
    }
}
