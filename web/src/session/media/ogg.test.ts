import { expect, test } from "vitest";
import { checksum, oggOf, samplesOf } from "./ogg";
import { waveOf } from "./voice";

const head = new TextEncoder().encode("OpusHead....");

/** As a browser records it: containers whose end is not said, and blocks. */
function webm(packets: number[][]): Uint8Array {
    const unknown = [0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    const element = (id: number[], data: number[]): number[] => [...id, 0x40 | (data.length >> 8), data.length & 255, ...data];
    return Uint8Array.from([
        ...element([0x1a, 0x45, 0xdf, 0xa3], [1, 2, 3]),
        0x18, 0x53, 0x80, 0x67, ...unknown,
        ...element([0x16, 0x54, 0xae, 0x6b], element([0xae], element([0x63, 0xa2], [...head]))),
        0x1f, 0x43, 0xb6, 0x75, ...unknown,
        ...packets.flatMap((packet) => element([0xa3], [0x81, 0, 0, 0x80, ...packet])),
    ]);
}

test("packets of a recording are put into pages that say how long it is", () => {
    const packets = Array.from({ length: 60 }, (_, i) => [0x78, ...Array<number>(i === 3 ? 300 : 20).fill(i)]); // 20 ms each
    const ogg = oggOf(webm(packets));
    const view = new DataView(ogg.buffer);
    const pages: number[] = [];
    for (let i = 0; i + 4 <= ogg.length; i++) if (String.fromCharCode(...ogg.subarray(i, i + 4)) === "OggS") pages.push(i);
    expect(pages).toHaveLength(4); // head, tags, a second, the rest
    expect(pages.map((at) => view.getBigUint64(at + 6, true))).toEqual([0n, 0n, 48_000n, 57_600n]);
    expect(pages.map((at) => ogg[at + 5])).toEqual([2, 0, 0, 4]);
    for (const [i, at] of pages.entries()) {
        const page = ogg.slice(at, pages[i + 1] ?? ogg.length);
        const said = new DataView(page.buffer).getUint32(22, true);
        page.fill(0, 22, 26);
        expect(checksum(page)).toBe(said);
    }
});

test("the checksum is Ogg's", () => {
    expect(checksum(new TextEncoder().encode("123456789"))).toBe(0x89a1897f);
});

test.each([[[0x78], 960], [[0x79], 1920], [[0x7b, 3], 2880], [[0x00], 480], [[0x98], 960 * 1]])("packet %j lasts %i samples", (packet, samples) => {
    expect(samplesOf(Uint8Array.from(packet))).toBe(samples);
});

test("what is no recording is refused", () => {
    expect(() => oggOf(new TextEncoder().encode("no such thing"))).toThrow();
});

test("a wave is as loud as its loudest part, and silence is flat", () => {
    expect(waveOf(Float32Array.from([0, 0, 0.1, 0.1, 0.2, 0.2]), 3)).toEqual([0, 0.5, 1]);
    expect(waveOf(new Float32Array(10), 2)).toEqual([0, 0]);
});
