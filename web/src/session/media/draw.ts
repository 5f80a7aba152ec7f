// What the browser's canvas does with pictures.

export const mostPixels = 100_000_000; // limit: pixels of a picture that is made smaller before sending | 100 million | it is sent as a file

/** The sides of something within a square, its proportions kept; never larger than it is. */
export function fit(width: number, height: number, side: number): { width: number; height: number } {
    const scale = Math.min(1, side / Math.max(width, height));
    return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

/** Opens a picture the right way up, as its EXIF says; throws what the browser cannot read. */
export async function openPicture(file: Blob): Promise<ImageBitmap> {
    const picture = await createImageBitmap(file, { imageOrientation: "from-image" });
    if (picture.width * picture.height <= mostPixels) return picture;
    picture.close();
    throw new Error("too large a picture");
}

export function draw(from: CanvasImageSource, width: number, height: number): OffscreenCanvas {
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d")!;
    context.imageSmoothingQuality = "high";
    context.drawImage(from, 0, 0, width, height);
    return canvas;
}

/** Its pixels alone: nothing that the camera wrote beside them, such as where it was, is in the outcome. */
export const encode = (canvas: OffscreenCanvas, type: string, quality = 0.9): Promise<Blob> => canvas.convertToBlob({ type, quality });
