import { EventType, MsgType } from "matrix-js-sdk";
import type { MatrixClient } from "matrix-js-sdk";
import type { Spot } from "../../store/attachment";
import { wordsOf } from "../../store/content";
import type { Outbox } from "../../store/outbox/outbox";
import type { PackImage } from "../../store/packs";
import { draftOf } from "./content";
import type { Prepared } from "./prepare";

type More = Record<string, unknown>;

/** Sending what is no text. Everything goes through the outbox, which keeps it until the server has it. */
export class Sending {
    #last: Promise<void> = Promise.resolve();
    #largest: Promise<number> | undefined;

    constructor(
        readonly client: MatrixClient,
        readonly outbox: Outbox,
    ) {}

    /**
     * Sends files to a room one after the other, the caption with the last of them. unchanged: as files, with everything that is in
     * them; first, rest: more of the content of the first message, and of the others, such as what it answers.
     */
    files(room: string, files: File[], caption: string, unchanged: boolean, first: More = {}, rest: More = {}): Promise<void> {
        this.#last = this.#last.then(async () => {
            const { prepare } = await import("./prepare"); // when it is needed
            for (const [i, file] of files.entries()) {
                const prepared = await prepare(file, unchanged);
                const said = caption && i === files.length - 1 ? await wordsOf(caption) : undefined;
                this.outbox.add(room, draftOf(prepared, said, i === 0 ? first : rest));
            }
        });
        return this.#last;
    }

    /** Sends what has been prepared, such as a voice message. */
    prepared(room: string, file: Prepared, more: More = {}): void {
        this.outbox.add(room, draftOf(file, undefined, more));
    }

    spot(room: string, { latitude, longitude }: Spot, accuracy: number, words: string, more: More = {}): void {
        const place = `${latitude.toFixed(6)},${longitude.toFixed(6)}`;
        const content = { msgtype: MsgType.Location, body: `${words}: ${place}`, geo_uri: `geo:${place};u=${Math.round(accuracy)}`, ...more };
        this.outbox.add(room, { type: EventType.RoomMessage, content });
    }

    sticker(room: string, image: PackImage, more: More = {}): void {
        this.outbox.add(room, { type: EventType.Sticker, content: { body: image.name, url: image.url, info: image.info, ...more } });
    }

    /** The largest file that the server takes, in bytes. */
    largest(): Promise<number> {
        this.#largest ??= this.client.getMediaConfig(true).then(
            (config) => config["m.upload.size"] ?? Infinity,
            () => {
                this.#largest = undefined; // to be asked again
                return Infinity;
            },
        );
        return this.#largest;
    }
}
