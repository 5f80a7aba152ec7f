import type { MatrixClient } from "matrix-js-sdk";
import { draw, encode, openPicture } from "./draw";

const side = 512; // pixels

/**
 * Uploads a person's or a room's picture, cut to a square and made small, with nothing of the camera's in it. Gives its mxc:
 * address; throws when the file is no picture, or the server does not take it.
 */
export async function uploadPicture(client: MatrixClient, file: Blob): Promise<string> {
    const picture = await openPicture(file);
    const from = Math.min(picture.width, picture.height);
    const to = Math.min(from, side);
    const square = await createImageBitmap(picture, (picture.width - from) / 2, (picture.height - from) / 2, from, from);
    picture.close();
    const drawn = draw(square, to, to);
    square.close();
    const body = await encode(drawn, file.type === "image/jpeg" ? "image/jpeg" : "image/png");
    const { content_uri } = await client.uploadContent(body, { type: body.type, includeFilename: false });
    return content_uri;
}
