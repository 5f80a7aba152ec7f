/** Gives the person a file, as a download does. */
export function saveFile(content: Blob, name: string): void {
    const url = URL.createObjectURL(content);
    Object.assign(document.createElement("a"), { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
