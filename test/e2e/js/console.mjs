// Standard output belongs to the protocol: libraries print to standard error, and only what may matter. Imported before
// they are.
import { Console } from "node:console";

const silence = () => {};
globalThis.console = Object.assign(new Console(process.stderr), { log: silence, info: silence, debug: silence });
