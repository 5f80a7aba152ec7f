import { CryptoEvent, VerificationPhase, decodeRecoveryKey } from "matrix-js-sdk/lib/crypto-api/index.js";
import { authenticated } from "./account.mjs";

// protects makes cross-signing keys, secret storage and a key backup, and gives the recovery key that opens them.
export async function protects(d, { password }) {
    const crypto = d.client.getCrypto();
    await crypto.bootstrapCrossSigning({ authUploadDeviceSigningKeys: (send) => authenticated(d, password, send) });
    const key = await crypto.createRecoveryKeyFromPassphrase();
    await crypto.bootstrapSecretStorage({
        createSecretStorageKey: async () => key,
        setupNewSecretStorage: true,
        setupNewKeyBackup: true,
    });
    await isProtected(d);
    return key.encodedPrivateKey;
}

// resets throws the keys of the account away and makes others, and says how often the server wanted the password.
export async function resets(d, { password }) {
    let asked = 0;
    await d.client.getCrypto().resetEncryption((send) =>
        authenticated(d, password, (auth) => {
            if (auth) asked++;
            return send(auth);
        }),
    );
    return asked;
}

// seesReset waits until a person who was verified has other keys, and goes on with those, unverified.
export async function seesReset(d, { user }) {
    const crypto = d.client.getCrypto();
    await d.until(`that ${user} has other keys`, async () => {
        const now = await crypto.getUserVerificationStatus(user);
        return now.wasCrossSigningVerified() && !now.isCrossSigningVerified();
    });
    await crypto.withdrawVerificationRequirement(user);
}

// isProtected waits until the device has the keys of the account, and a backup that it uses.
export async function isProtected(d) {
    const crypto = d.client.getCrypto();
    await d.until("cross-signing as ready", () => crypto.isCrossSigningReady());
    await d.until("secret storage as ready", () => crypto.isSecretStorageReady());
    await d.until("a key backup in use", () => crypto.getActiveSessionBackupVersion());
}

// seesBackup waits until the backup on the server has so many keys. The library would answer from memory.
export async function seesBackup(d, { keys }) {
    let info;
    const has = async () => {
        info = await d.client.http.authedRequest("GET", "/room_keys/version", undefined, undefined, { prefix: "/_matrix/client/v3" });
        return info.count === keys;
    };
    await d.until(() => `${keys} keys in the backup, but ${JSON.stringify(info)}`, has);
}

// recovers makes a new device one of the account with the recovery key alone, and fetches the keys of old messages.
export async function recovers(d, { key }) {
    const crypto = d.client.getCrypto();
    const [id, description] = await d.until("secret storage", () => d.client.secretStorage.getKey());
    const bytes = decodeRecoveryKey(key);
    if (!(await d.client.secretStorage.checkKey(bytes, description))) d.fail("the recovery key does not open the secret storage");
    d.secretStorageKeys[id] = bytes;
    await d.until("the public keys of the account", () => crypto.userHasCrossSigningKeys(undefined, true));
    await crypto.bootstrapCrossSigning({});
    await crypto.checkKeyBackupAndEnable(); // the backup may be younger than what the device remembers
    await crypto.loadSessionBackupPrivateKeyFromSecretStorage();
    await crypto.checkKeyBackupAndEnable();
    const restored = await crypto.restoreKeyBackup();
    await isProtected(d);
    return restored;
}

// trust says what the device thinks of a person and, if one is named, of a device of that person.
export async function trust(d, { user, device }) {
    const crypto = d.client.getCrypto();
    const person = await crypto.getUserVerificationStatus(user);
    const known = device ? await crypto.getDeviceVerificationStatus(user, device) : null;
    return {
        user: person.isCrossSigningVerified(),
        device: known?.crossSigningVerified ?? false,
        signed: known?.signedByOwner ?? false,
    };
}

export async function seesVerified(d, { user, device }) {
    await d.until(`${user} ${device ?? ""} as verified`, async () => {
        const now = await trust(d, { user, device });
        return now.user && (!device || now.device);
    });
}

// knows waits until the device has heard of another one: what a stranger asks is passed over.
export async function knows(d, { user, device }) {
    const crypto = d.client.getCrypto();
    await d.until(`device ${device} of ${user}`, async () => (await crypto.getUserDeviceInfo([user])).get(user)?.has(device));
}

// asksForEmoji asks another person in a room, or one device, to compare emoji.
export async function asksForEmoji(d, { user, device, room }) {
    const crypto = d.client.getCrypto();
    if (room) {
        // The answer counts only if the person's devices are known.
        await d.until(`keys of ${user}`, () => crypto.userHasCrossSigningKeys(user, true));
        d.verifies(await crypto.requestVerificationDM(user, room));
    } else {
        await knows(d, { user, device });
        d.verifies(await crypto.requestDeviceVerification(user, device));
    }
}

// answersEmoji accepts the question of another.
export async function answersEmoji(d, { user }) {
    const asked = (v) => v?.request.otherUserId === user && v.request.phase === VerificationPhase.Requested;
    await d.until(`the question of ${user}`, () => asked(d.verification));
    await d.verification.request.accept();
}

// startsEmoji begins the comparison, when the other has answered.
export async function startsEmoji(d) {
    const { request } = d.verification;
    await d.until("that the other is ready", () => alive(d).phase === VerificationPhase.Ready);
    await request.startVerification("m.sas.v1");
}

// seesEmoji waits for what the screen shows.
export async function seesEmoji(d) {
    const v = d.verification;
    v.sas = await d.until("emoji", () => alive(d).verifier?.getShowSasCallbacks());
    return v.sas.sas.emoji.map(([emoji]) => emoji);
}

// confirmsEmoji says that both screens show the same, and waits for the other to say so.
export async function confirmsEmoji(d) {
    const v = d.verification;
    await v.sas.confirm();
    await v.done;
    await d.until("the end of the verification", () => alive(d).phase === VerificationPhase.Done);
}

// alive gives the verification that is under way, and fails when somebody has cancelled it.
function alive(d) {
    const { request } = d.verification;
    if (request.phase === VerificationPhase.Cancelled) {
        d.fail(`the verification is cancelled by ${request.cancellingUserId}: ${request.cancellationCode}`);
    }
    return request;
}

// dehydrates leaves a device without a screen on the server, which takes room keys while no other device is there. What
// such a device has taken so far is taken over first; the number of room keys among that is given.
export async function dehydrates(d) {
    let keys = 0;
    let fault;
    d.client.on(CryptoEvent.RehydrationProgress, (roomKeys) => (keys = roomKeys));
    d.client.on(CryptoEvent.RehydrationError, (message) => (fault = message));
    const crypto = d.client.getCrypto();
    if (!(await crypto.isDehydrationSupported())) d.fail("the server knows no dehydrated devices");
    await crypto.startDehydration({ rehydrate: true });
    if (fault) d.fail(`cannot rehydrate: ${fault}`);
    return keys;
}

// seesDehydrated waits until it is known that somebody has a device without a screen, signed by that person.
export async function seesDehydrated(d, { user }) {
    const crypto = d.client.getCrypto();
    await d.until(`a dehydrated device of ${user}`, async () => {
        const devices = [...((await crypto.getUserDeviceInfo([user], true)).get(user)?.values() ?? [])];
        const id = devices.find((device) => device.dehydrated)?.deviceId;
        return id && (await crypto.getDeviceVerificationStatus(user, id)).signedByOwner;
    });
}
