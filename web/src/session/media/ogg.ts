// Chromium records voice into WebM, which lacks a duration, cannot be sought in, and is played by few; the field sends Opus in Ogg.
// The sound is the same: its packets are taken out of the one and put into the other (RFC 9559, RFC 7845, RFC 3533).

const [segment, cluster, tracks, trackEntry, blockGroup] = [0x18538067, 0x1f43b675, 0x1654ae6b, 0xae, 0xa0];
const [codecPrivate, simpleBlock, block] = [0x63a2, 0xa3, 0xa1];
const containers = new Set([segment, cluster, tracks, trackEntry, blockGroup]);

const packetsOfPage = 50; // a second of sound

/** The same recording as Ogg; throws when it is no WebM with Opus. */
export function oggOf(webm: Uint8Array): Uint8Array<ArrayBuffer> {
    const { head, packets } = read(webm);
    if (!head || packets.length === 0) throw new Error("no sound in it");
    const pages = [page([head], 0n, 0, first), page([tags()], 0n, 1, 0)];
    let samples = 0;
    for (let i = 0; i < packets.length; i += packetsOfPage) {
        const some = packets.slice(i, i + packetsOfPage);
        for (const packet of some) samples += samplesOf(packet);
        pages.push(page(some, BigInt(samples), pages.length, i + packetsOfPage >= packets.length ? last : 0));
    }
    return joined(pages);
}

function read(webm: Uint8Array): { head: Uint8Array | undefined; packets: Uint8Array[] } {
    const found: { head: Uint8Array | undefined; packets: Uint8Array[] } = { head: undefined, packets: [] };
    let at = 0;
    // Containers are entered by going on after their beginning: those that are being recorded do not say where they end.
    while (at < webm.length) {
        const id = number(webm, at, true);
        const size = number(webm, id.end, false);
        at = size.end;
        if (containers.has(id.value)) continue;
        const data = webm.subarray(at, at + size.value);
        if (id.value === codecPrivate) found.head = data;
        else if (id.value === simpleBlock || id.value === block) found.packets.push(data.subarray(4)); // after the track, the time, the flags
        at += size.value;
    }
    return found;
}

/** A number that says by its first bits how long it is; an id keeps those. */
function number(bytes: Uint8Array, at: number, keep: boolean): { value: number; end: number } {
    const start = bytes[at] ?? 0;
    const more = Math.clz32(start) - 24;
    if (more > 7) throw new Error("no WebM");
    let value = keep ? start : start & (0x7f >> more);
    for (let i = 1; i <= more; i++) value = value * 256 + (bytes[at + i] ?? 0);
    return { value, end: at + more + 1 };
}

/** How long a packet of Opus is, in samples of 1/48,000 s (RFC 6716, 3.1). */
export function samplesOf(packet: Uint8Array): number {
    const start = packet[0] ?? 0;
    const kind = start >> 3;
    const frame =
        kind < 12 ? [480, 960, 1920, 2880][kind & 3]!
        : kind < 16 ? [480, 960][kind & 1]!
        : [120, 240, 480, 960][kind & 3]!;
    const frames = [1, 2, 2, (packet[1] ?? 0) & 63][start & 3]!;
    return frame * frames;
}

function tags(): Uint8Array {
    const vendor = new TextEncoder().encode("Freehold");
    const bytes = new Uint8Array(16 + vendor.length);
    bytes.set(new TextEncoder().encode("OpusTags"));
    new DataView(bytes.buffer).setUint32(8, vendor.length, true);
    bytes.set(vendor, 12);
    return bytes;
}

const first = 2;
const last = 4;

function page(packets: Uint8Array[], samples: bigint, sequence: number, flags: number): Uint8Array {
    const lengths = packets.flatMap(({ length }) => [...Array<number>(Math.floor(length / 255)).fill(255), length % 255]);
    if (lengths.length > 255) throw new Error("too much for a page");
    const bytes = joined([new Uint8Array(27), Uint8Array.from(lengths), ...packets]);
    bytes.set(new TextEncoder().encode("OggS"));
    const view = new DataView(bytes.buffer);
    bytes[5] = flags;
    view.setBigUint64(6, samples, true);
    view.setUint32(14, 1, true); // the stream: there is one
    view.setUint32(18, sequence, true);
    bytes[26] = lengths.length;
    view.setUint32(22, checksum(bytes), true);
    return bytes;
}

function joined(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
    const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of parts) {
        all.set(part, at);
        at += part.length;
    }
    return all;
}

const table = Uint32Array.from({ length: 256 }, (_, i) => {
    let r = i << 24;
    for (let bit = 0; bit < 8; bit++) r = r & 0x80000000 ? (r << 1) ^ 0x04c11db7 : r << 1;
    return r;
});

export function checksum(bytes: Uint8Array): number {
    let sum = 0;
    for (const byte of bytes) sum = (sum << 8) ^ table[((sum >>> 24) ^ byte) & 255]!;
    return sum >>> 0;
}
