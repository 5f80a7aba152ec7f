// "Key exports": the file with the keys of conversations, closed with a passphrase, as other Matrix apps write and read it.
// https://spec.matrix.org/v1.19/client-server-api/#key-exports

const head = "-----BEGIN MEGOLM SESSION DATA-----";
const foot = "-----END MEGOLM SESSION DATA-----";
const version = 1;
const saltSize = 16, ivSize = 16, roundsSize = 4, macSize = 32;
const rounds = 500_000; // as many as other apps take; a second on a phone
const mostRounds = 10_000_000; // limit: rounds of a key file | 10,000,000 | a file that wants more is refused
const line = 96; // characters

/** It is not such a file, or not the passphrase. */
export class BadKeyFile extends Error {
    constructor(readonly why: "format" | "passphrase") {
        super(why);
    }
}

export async function sealKeys(json: string, passphrase: string, turns: number = rounds): Promise<string> {
    const salt = crypto.getRandomValues(new Uint8Array(saltSize));
    const iv = crypto.getRandomValues(new Uint8Array(ivSize));
    iv[8]! &= 0x7f; // bit 63 is zero: implementations of AES-CTR differ in what follows it
    const { aes, hmac } = await keysOf(passphrase, salt, turns);
    const text = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-CTR", counter: iv, length: 64 }, aes, new TextEncoder().encode(json)));
    const body = new Uint8Array(1 + saltSize + ivSize + roundsSize + text.length);
    body[0] = version;
    body.set(salt, 1);
    body.set(iv, 1 + saltSize);
    new DataView(body.buffer).setUint32(1 + saltSize + ivSize, turns);
    body.set(text, 1 + saltSize + ivSize + roundsSize);
    const mac = new Uint8Array(await crypto.subtle.sign("HMAC", hmac, body));
    const all = new Uint8Array(body.length + macSize);
    all.set(body);
    all.set(mac, body.length);
    return [head, ...toBase64(all).match(new RegExp(`.{1,${line}}`, "g"))!, foot, ""].join("\n");
}

export async function openKeys(file: string, passphrase: string): Promise<string> {
    const all = bytesOf(file);
    const least = 1 + saltSize + ivSize + roundsSize + macSize;
    if (!all || all.length < least || all[0] !== version) throw new BadKeyFile("format");
    const body = all.subarray(0, all.length - macSize);
    const salt = body.subarray(1, 1 + saltSize);
    const iv = body.subarray(1 + saltSize, 1 + saltSize + ivSize);
    const turns = new DataView(body.buffer, body.byteOffset).getUint32(1 + saltSize + ivSize);
    if (turns === 0 || turns > mostRounds) throw new BadKeyFile("format");
    const { aes, hmac } = await keysOf(passphrase, salt, turns);
    if (!(await crypto.subtle.verify("HMAC", hmac, all.subarray(all.length - macSize), body))) throw new BadKeyFile("passphrase");
    const text = await crypto.subtle.decrypt({ name: "AES-CTR", counter: iv, length: 64 }, aes, body.subarray(1 + saltSize + ivSize + roundsSize));
    return new TextDecoder().decode(text);
}

async function keysOf(passphrase: string, salt: Uint8Array<ArrayBuffer>, iterations: number): Promise<{ aes: CryptoKey; hmac: CryptoKey }> {
    const typed = await crypto.subtle.importKey("raw", new TextEncoder().encode(passphrase), "PBKDF2", false, ["deriveBits"]);
    const bits = await crypto.subtle.deriveBits({ name: "PBKDF2", hash: "SHA-512", salt, iterations }, typed, 512);
    return {
        aes: await crypto.subtle.importKey("raw", bits.slice(0, 32), "AES-CTR", false, ["encrypt", "decrypt"]),
        hmac: await crypto.subtle.importKey("raw", bits.slice(32), { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]),
    };
}

function toBase64(bytes: Uint8Array): string {
    let text = "";
    for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
    return btoa(text);
}

/** What stands between the two lines; undefined when they or it cannot be found. */
function bytesOf(file: string): Uint8Array<ArrayBuffer> | undefined {
    const lines = file.split(/\r?\n/).map((text) => text.trim());
    const from = lines.indexOf(head);
    const to = lines.indexOf(foot, from + 1);
    if (from < 0 || to < 0) return undefined;
    try {
        return Uint8Array.from(atob(lines.slice(from + 1, to).join("")), (char) => char.charCodeAt(0));
    } catch {
        return undefined;
    }
}
