import type { MatrixClient } from "matrix-js-sdk";
import type { Uploader } from "../store/outbox/uploading";
import { lock } from "./media/lock";

/** Uploads files of messages. What is encrypted is bytes without a name to the server. */
export const uploaderOf = (client: MatrixClient): Uploader => async (blob, { name, encrypted, progress, signal }) => {
    const abortController = new AbortController();
    const stop = (): void => abortController.abort();
    signal.addEventListener("abort", stop);
    try {
        const options = { abortController, progressHandler: ({ loaded, total }: { loaded: number; total: number }) => progress(total ? loaded / total : 0) };
        if (!encrypted) return { url: (await client.uploadContent(blob, { ...options, name, type: blob.type })).content_uri };
        const { sealed, file } = await lock(await blob.arrayBuffer());
        const body = new Blob([sealed], { type: "application/octet-stream" });
        const { content_uri } = await client.uploadContent(body, { ...options, includeFilename: false, type: body.type });
        return { file: { ...file, url: content_uri } };
    } finally {
        signal.removeEventListener("abort", stop);
    }
};
