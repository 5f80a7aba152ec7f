import { expect, test } from "vitest";
import { lock, Spoilt, unlock } from "./lock";

const plain = new TextEncoder().encode("bread, butter, a long ladder").buffer;

const opener = (file: Awaited<ReturnType<typeof lock>>["file"]) => ({ key: file.key.k, iv: file.iv, hash: file.hashes.sha256 });

test("what is locked is opened again, and never looks the same", async () => {
    const first = await lock(plain);
    const second = await lock(plain);
    expect(new Uint8Array(first.sealed)).not.toEqual(new Uint8Array(second.sealed));
    expect(first.file.key.k).not.toBe(second.file.key.k);
    expect(new Uint8Array(await unlock(first.sealed, opener(first.file)))).toEqual(new Uint8Array(plain));
});

test("the form is the specification's", async () => {
    const { file } = await lock(plain);
    expect(file.key.k).toMatch(/^[\w-]{43}$/);
    expect(file.iv).toMatch(/^[A-Za-z0-9+/]{11}A{11}$/); // the last 64 bits are zero
    expect(file.hashes.sha256).toMatch(/^[A-Za-z0-9+/]{43}$/);
});

test("a file that was changed is not opened", async () => {
    const { sealed, file } = await lock(plain);
    const changed = sealed.slice(0);
    new Uint8Array(changed)[3]! ^= 1;
    await expect(unlock(changed, opener(file))).rejects.toBeInstanceOf(Spoilt);
    await expect(unlock(sealed, { ...opener(file), key: "short" })).rejects.toBeInstanceOf(Spoilt);
});
