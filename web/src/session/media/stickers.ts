import type { MatrixClient } from "matrix-js-sdk";
import { accountData, ownType, packsFor } from "../../store/packs";
import type { Pack } from "../../store/packs";
import { draw, encode, fit, openPicture } from "./draw";

const side = 512; // pixels, as the specification would have it

/** The collections of stickers, and the person's own. */
export class Stickers {
    constructor(readonly client: MatrixClient) {}

    packs(room: string, ownName: string): Pack[] {
        return packsFor(this.client, room, ownName);
    }

    /** Makes a sticker of a picture, in the person's own collection; throws when it is none. */
    async add(file: File): Promise<void> {
        const picture = await openPicture(file);
        const { width, height } = fit(picture.width, picture.height, side);
        const body = await encode(draw(picture, width, height), "image/webp");
        picture.close();
        const { content_uri: url } = await this.client.uploadContent(body, { type: body.type, includeFilename: false });
        const name = file.name.replace(/\.\w+$/, "");
        const info = { w: width, h: height, mimetype: body.type, size: body.size };
        await this.#change((images) => ({ ...images, [unused(shortcodeOf(name), images)]: { url, body: name, info } }));
    }

    async remove(shortcode: string): Promise<void> {
        await this.#change((images) => Object.fromEntries(Object.entries(images).filter(([key]) => key !== shortcode)));
    }

    async #change(change: (images: Record<string, unknown>) => Record<string, unknown>): Promise<void> {
        const now = accountData(this.client, ownType);
        await this.client.setAccountData(ownType as never, { ...now, images: change((now.images ?? {}) as Record<string, unknown>) } as never);
    }
}

export const shortcodeOf = (name: string): string => name.replace(/[^A-Za-z0-9_-]+/g, "_").slice(0, 90) || "sticker";

function unused(shortcode: string, images: Record<string, unknown>): string {
    for (let i = 1; ; i++) {
        const key = i === 1 ? shortcode : `${shortcode}_${i}`;
        if (!(key in images)) return key;
    }
}
