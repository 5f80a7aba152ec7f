import { initAsync, OlmMachine } from "@matrix-org/matrix-sdk-crypto-wasm";
import { expect, test } from "vitest";
import { BadKeyFile, openKeys, sealKeys } from "./keyfile";

const few = 1000; // rounds: it is not the time that is tested
const keys = JSON.stringify([{ algorithm: "m.megolm.v1.aes-sha2", room_id: "!garden:house.example", text: "ключ" }]);

test("what was closed is opened with the passphrase, and with no other", async () => {
    const file = await sealKeys(keys, "rain on the roof", few);
    expect(file.startsWith("-----BEGIN MEGOLM SESSION DATA-----\n")).toBe(true);
    expect(Math.max(...file.split("\n").map((text) => text.length))).toBeLessThan(100);
    expect(await openKeys(file.replaceAll("\n", "\r\n"), "rain on the roof")).toBe(keys);
    await expect(openKeys(file, "rain on the road")).rejects.toThrow(new BadKeyFile("passphrase"));
});

test.each(["", "hello", "-----BEGIN MEGOLM SESSION DATA-----\n!!\n-----END MEGOLM SESSION DATA-----", "-----BEGIN MEGOLM SESSION DATA-----\nAQID\n-----END MEGOLM SESSION DATA-----"])(
    "what is no such file is refused: %j", async (file) => {
        await expect(openKeys(file, "x")).rejects.toThrow(new BadKeyFile("format"));
    },
);

test("matrix-rust-sdk opens our files, and we open its", async () => {
    await initAsync();
    expect(await openKeys(OlmMachine.encryptExportedRoomKeys("[]", "rain on the roof", few), "rain on the roof")).toBe("[]");
    expect(OlmMachine.decryptExportedRoomKeys(await sealKeys("[]", "rain on the roof", few), "rain on the roof")).toBe("[]");
});
