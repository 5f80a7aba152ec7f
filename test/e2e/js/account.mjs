import * as sdk from "matrix-js-sdk";
import { sliding } from "./slide.mjs";

const begins = { initialSyncLimit: 20, threadSupport: true, lazyLoadMembers: true, pollTimeout: 10_000 };

// registers makes an account, user-interactive with the stage that asks nothing. With a window it uses sliding sync.
export async function registers(d, { url, name, password, window }) {
    const anonymous = sdk.createClient({ baseUrl: url });
    const request = { username: name, password, initial_device_display_name: d.name };
    const asked = await anonymous.registerRequest(request).then(
        () => d.fail("registers without being asked to authenticate"),
        (e) => e,
    );
    if (asked.httpStatus !== 401) throw asked;
    const session = asked.data.session;
    const auth = { type: "m.login.dummy", session };
    await starts(d, url, await anonymous.registerRequest({ ...request, auth }), window);
    return me(d);
}

// signsIn adds a device with the password.
export async function signsIn(d, { url, name, password, window }) {
    const request = { type: "m.login.password", identifier: { type: "m.id.user", user: name }, password };
    const session = await sdk.createClient({ baseUrl: url }).loginRequest({ ...request, initial_device_display_name: d.name });
    await starts(d, url, session, window);
    return me(d);
}

async function starts(d, url, session, window) {
    await d.signsIn(url, session);
    if (window) d.sliding = sliding(d.client, url, window);
    await d.client.startClient({ ...begins, slidingSync: d.sliding });
    await d.until("its first sync", () => d.client.getSyncState() === sdk.SyncState.Syncing);
}

function me(d) {
    return { user: d.client.getUserId(), device: d.client.getDeviceId() };
}

// signsInWithToken adds a device with a token that another one has asked for.
export async function signsInWithToken(d, { url, token }) {
    const request = { type: "m.login.token", token, initial_device_display_name: d.name };
    await starts(d, url, await sdk.createClient({ baseUrl: url }).loginRequest(request));
    return me(d);
}

// asksForLoginToken asks for a token with which one other device can sign in.
export async function asksForLoginToken(d, { password }) {
    return (await authenticated(d, password, (auth) => d.client.requestLoginToken(auth))).login_token;
}

// removes ends the session of another device of the account.
export async function removes(d, { device, password }) {
    await authenticated(d, password, (auth) => d.client.deleteDevice(device, auth));
}

// isSignedOut waits until the server has told the device that its session is over.
export async function isSignedOut(d) {
    await d.until("that it is signed out", () => d.signedOut);
}

// calls has the library do what needs no more than a method of its client, and gives the result if that is wanted.
export async function calls(d, { method, args, wanted }) {
    const got = await d.client[method](...args);
    return wanted ? got : null;
}

// authenticated sends a request, with the password if the server wants it.
export async function authenticated(d, password, send) {
    try {
        return await send(null);
    } catch (e) {
        if (e.httpStatus !== 401 || !e.data?.session) throw e;
        const identifier = { type: "m.id.user", user: d.client.getUserId() };
        return await send({ type: "m.login.password", identifier, password, session: e.data.session });
    }
}
