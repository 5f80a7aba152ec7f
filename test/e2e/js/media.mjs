import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { timeline } from "./device.mjs";

// sendsFile encrypts a file with a key of its own, uploads it, and sends key and address to the room.
// https://spec.matrix.org/v1.19/client-server-api/#sending-encrypted-attachments
export async function sendsFile(d, { room, name, type, data }) {
    const plain = Buffer.from(data, "base64");
    const key = randomBytes(32);
    const iv = Buffer.concat([randomBytes(8), Buffer.alloc(8)]);
    const cipher = createCipheriv("aes-256-ctr", key, iv);
    const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
    const { content_uri: url } = await d.client.uploadContent(new Blob([sealed]), {
        type: "application/octet-stream",
        includeFilename: false,
    });
    const file = {
        v: "v2",
        url,
        iv: unpadded(iv),
        hashes: { sha256: unpadded(createHash("sha256").update(sealed).digest()) },
        key: { kty: "oct", alg: "A256CTR", ext: true, key_ops: ["encrypt", "decrypt"], k: key.toString("base64url") },
    };
    const content = { msgtype: "m.image", body: name, info: { mimetype: type, size: plain.length }, file };
    const { event_id: id } = await d.client.sendMessage(room, content);
    return { id, url };
}

// opensFile downloads and decrypts what the message with this name shows.
export async function opensFile(d, { room, name }) {
    const shows = (e) => e.getContent().body === name && e.getContent().file;
    const event = await d.until(`the file ${name}`, () => timeline(d.room(room)).find(shows));
    const { url, iv, hashes, key } = event.getContent().file;
    const sealed = await download(d, url);
    const got = unpadded(createHash("sha256").update(sealed).digest());
    if (got !== hashes.sha256) d.fail(`the hash of ${name} is ${got}, want ${hashes.sha256}`);
    const decipher = createDecipheriv("aes-256-ctr", Buffer.from(key.k, "base64url"), Buffer.from(iv, "base64"));
    return Buffer.concat([decipher.update(sealed), decipher.final()]).toString("base64");
}

// uploads puts a file on the server as it is.
export async function uploads(d, { name, type, data }) {
    const file = new Blob([Buffer.from(data, "base64")], { type });
    return (await d.client.uploadContent(file, { type, name })).content_uri;
}

// downloads fetches media, or with a size its thumbnail, as authenticated clients do.
export async function downloads(d, { url, width, height, method }) {
    return (await download(d, url, width, height, method)).toString("base64");
}

async function download(d, url, width, height, method) {
    const address = d.client.mxcUrlToHttp(url, width, height, method, false, true, true);
    const response = await fetch(address, { headers: { Authorization: `Bearer ${d.client.getAccessToken()}` } });
    if (!response.ok) d.fail(`GET ${address}: ${response.status} ${await response.text()}`);
    return Buffer.from(await response.arrayBuffer());
}

function unpadded(bytes) {
    return bytes.toString("base64").replace(/=+$/, "");
}
