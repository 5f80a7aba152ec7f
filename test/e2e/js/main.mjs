// The client of the end-to-end stories that is matrix-js-sdk: one process is the browsers of everybody in a story.
// Each line of standard input asks for one thing, {"id", "device", "verb", "args"}; the answer is a line of standard
// output, {"id", "value"} or {"id", "error"}. It ends with its standard input.
import "./console.mjs";
import { createInterface } from "node:readline";
import { Device } from "./device.mjs";
import * as account from "./account.mjs";
import * as call from "./call.mjs";
import * as media from "./media.mjs";
import * as relate from "./relate.mjs";
import * as rooms from "./rooms.mjs";
import { opensRoom, scrolls, seesList } from "./slide.mjs";
import * as talk from "./talk.mjs";
import * as trust from "./trust.mjs";

const verbs = { ...account, ...call, ...media, ...relate, ...rooms, opensRoom, scrolls, seesList, ...talk, ...trust };
const devices = new Map();

function device(name) {
    if (!devices.has(name)) devices.set(name, new Device(name));
    return devices.get(name);
}

function answer(line) {
    process.stdout.write(JSON.stringify(line) + "\n");
}

async function serve({ id, device: name, verb, args }) {
    try {
        if (!Object.hasOwn(verbs, verb)) throw new Error(`there is no verb ${verb}`);
        answer({ id, value: (await verbs[verb](device(name), args)) ?? null });
    } catch (e) {
        answer({ id, error: explain(e) });
    }
}

// explain is what a person needs to find the fault: the server's own words if it said any, else where in the code.
function explain(e) {
    if (e?.errcode) return `${e.httpStatus} ${e.errcode}: ${e.data?.error}`;
    if (e?.expected) return e.message;
    return e?.stack ?? String(e);
}

process.on("unhandledRejection", (e) => console.error("nobody waited for:", explain(e)));

const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => void serve(JSON.parse(line)));
lines.on("close", () => process.exit(0));
