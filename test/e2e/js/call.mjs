import { MatrixRTCSessionEvent } from "matrix-js-sdk/lib/matrixrtc/index.js";

const transport = { type: "livekit", livekit_service_url: "https://sfu.example", livekit_alias: "a" };

// entersCall takes part in the call of a room. What is left behind for the server to say if the device is not heard of any
// more comes after grace, in ms. Keys for sound and picture go to the others from device to device.
export async function entersCall(d, { room, grace }) {
    d.mediaKeys = new Set();
    d.call = d.client.matrixRTC.getRoomSession(d.room(room));
    d.call.on(MatrixRTCSessionEvent.EncryptionKeyChanged, (key, index, { userId, deviceId }) => d.mediaKeys.add(`${userId} ${deviceId}`));
    d.call.joinRoomSession([transport], transport, {
        manageMediaKeys: true,
        delayedLeaveEventDelayMs: grace,
        delayedLeaveEventRestartMs: grace / 4,
    });
    await d.until("itself in the call", () => d.call.memberships.some((m) => m.deviceId === d.client.getDeviceId()));
}

// leavesCall hangs up.
export async function leavesCall(d) {
    if (!(await d.call.leaveRoomSession(10_000))) d.fail("cannot leave the call");
}

// vanishes is a tab that is closed, or a battery that is empty: nothing is said to anybody.
export function vanishes(d) {
    d.offline = true;
    d.client.stopClient();
}

// seesCall waits until exactly these devices take part in the call of a room.
export async function seesCall(d, { room, want }) {
    let last;
    const sees = () => {
        last = d.client.matrixRTC.getRoomSession(d.room(room)).memberships.map((m) => m.deviceId).sort();
        return JSON.stringify(last) === JSON.stringify([...want].sort());
    };
    await d.until(() => `a call of ${want}, but of ${last}`, sees);
}

// hasMediaKeys waits for the keys of another device's sound and picture.
export async function hasMediaKeys(d, { user, device }) {
    await d.until(() => `the keys of ${user} ${device}, but ${[...d.mediaKeys]}`, () => d.mediaKeys.has(`${user} ${device}`));
}
