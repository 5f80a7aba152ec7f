// Pictures to send, made by the browser.

import type { Page } from "playwright-core";

/** A JPEG of this size: a disc on a ground. */
export async function jpeg(page: Page, width: number, height: number, colour: string): Promise<Buffer> {
    const bytes = await page.evaluate(async ({ width, height, colour }) => {
        const canvas = new OffscreenCanvas(width, height);
        const context = canvas.getContext("2d")!;
        const ground = context.createLinearGradient(0, 0, width, height);
        ground.addColorStop(0, colour);
        ground.addColorStop(1, "#f3ead8");
        context.fillStyle = ground;
        context.fillRect(0, 0, width, height);
        context.fillStyle = "#fff8";
        context.beginPath();
        context.arc(width * 0.3, height * 0.4, height / 5, 0, 7);
        context.fill();
        for (let i = 0; i < 400; i++) { // so that it is not too small to need a preview
            context.fillStyle = `hsl(${i * 7} 40% 50% / 30%)`;
            context.fillRect((i * 97) % width, (i * 61) % height, width / 30, height / 40);
        }
        return [...new Uint8Array(await (await canvas.convertToBlob({ type: "image/jpeg", quality: 0.95 })).arrayBuffer())];
    }, { width, height, colour });
    return Buffer.from(bytes);
}

/** Puts in what a camera writes: which way it was held, and a place (GPS latitude). */
export function withExif(picture: Buffer, orientation: number): Buffer {
    const tiff = Buffer.alloc(8 + 2 + 2 * 12 + 4 + 2 + 12 + 4);
    tiff.write("MM\0*", 0, "latin1");
    tiff.writeUInt32BE(8, 4);
    tiff.writeUInt16BE(2, 8); // entries
    entry(10, 0x0112, 3, 1, orientation << 16);
    entry(22, 0x8825, 4, 1, 38); // GPS is there
    tiff.writeUInt16BE(1, 38);
    entry(40, 1, 2, 2, 0x4e000000); // "N"
    function entry(at: number, tag: number, type: number, count: number, value: number): void {
        tiff.writeUInt16BE(tag, at);
        tiff.writeUInt16BE(type, at + 2);
        tiff.writeUInt32BE(count, at + 4);
        tiff.writeUInt32BE(value >>> 0, at + 8);
    }
    const body = Buffer.concat([Buffer.from("Exif\0\0", "latin1"), tiff]);
    const head = Buffer.from([0xff, 0xe1, 0, 0]);
    head.writeUInt16BE(body.length + 2, 2);
    return Buffer.concat([picture.subarray(0, 2), head, body, picture.subarray(2)]);
}
