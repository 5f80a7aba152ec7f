// Encryption of files: https://spec.matrix.org/v1.19/client-server-api/#sending-encrypted-attachments

import type { Lock } from "../../store/attachment";

/** What the field's events have of an encrypted file, but for its address. */
export interface LockedFile {
    v: "v2";
    key: { kty: "oct"; alg: "A256CTR"; ext: true; k: string; key_ops: ["encrypt", "decrypt"] };
    iv: string;
    hashes: { sha256: string };
}

/** The file is not what was sent. */
export class Spoilt extends Error {}

const counterBits = 64; // of the 128 of the counter block; the others are random

/** Encrypts with a key that is used for nothing else. The browser does it beside the page. */
export async function lock(plain: ArrayBuffer): Promise<{ sealed: ArrayBuffer; file: LockedFile }> {
    const counter = new Uint8Array(16);
    crypto.getRandomValues(counter.subarray(0, 8));
    const key = await crypto.subtle.generateKey({ name: "AES-CTR", length: 256 }, true, ["encrypt", "decrypt"]);
    const sealed = await crypto.subtle.encrypt({ name: "AES-CTR", counter, length: counterBits }, key, plain);
    const [raw, hash] = await Promise.all([crypto.subtle.exportKey("raw", key), crypto.subtle.digest("SHA-256", sealed)]);
    const k = toBase64(new Uint8Array(raw)).replace(/\+/g, "-").replace(/\//g, "_");
    return {
        sealed,
        file: {
            v: "v2",
            key: { kty: "oct", alg: "A256CTR", ext: true, k, key_ops: ["encrypt", "decrypt"] },
            iv: toBase64(counter),
            hashes: { sha256: toBase64(new Uint8Array(hash)) },
        },
    };
}

/** Decrypts what is what was sent; throws Spoilt when it is not. */
export async function unlock(sealed: ArrayBuffer, { key, iv, hash }: Lock): Promise<ArrayBuffer> {
    const digest = toBase64(new Uint8Array(await crypto.subtle.digest("SHA-256", sealed)));
    if (digest !== hash.replace(/=+$/, "")) throw new Spoilt("the file is another than was sent");
    try {
        const opened = await crypto.subtle.importKey("raw", fromBase64(key), "AES-CTR", false, ["decrypt"]);
        return await crypto.subtle.decrypt({ name: "AES-CTR", counter: fromBase64(iv), length: counterBits }, opened, sealed);
    } catch {
        throw new Spoilt("the key does not fit the file");
    }
}

function toBase64(bytes: Uint8Array): string {
    return btoa(String.fromCharCode(...bytes)).replace(/=+$/, "");
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/").replace(/=+$/, "")), (char) => char.charCodeAt(0));
}
