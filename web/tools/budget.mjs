// What the first load costs: the script and style of the first page and of an opened account, compressed, but for the
// encryption. What comes when it is wanted is listed and not counted. Fails when it is over the budget.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { brotliDecompressSync } from "node:zlib";

const budget = 450;
const dist = new URL("../dist/", import.meta.url);
const files = readdirSync(new URL("assets/", dist)).flatMap((name) => name.match(/^(.*\.(?:js|css|wasm))(?:\.br)?$/)?.[1] ?? []).sort();
const exists = (path) => statSync(new URL(path, dist), { throwIfNoEntry: false }) !== undefined;
const stored = (path) => (exists(`${path}.br`) ? `${path}.br` : path);
const textOf = (path) => {
    const bytes = readFileSync(new URL(stored(path), dist));
    return (stored(path).endsWith(".br") ? brotliDecompressSync(bytes) : bytes).toString();
};

const first = new Set();
const take = (name) => {
    if (first.has(name)) return;
    first.add(name);
    if (!name.endsWith(".js")) return;
    for (const [, other] of textOf(`assets/${name}`).matchAll(/\b(?:from|import)\s*["']\.\/([\w.-]+)["']/g)) take(other);
};
for (const [, name] of textOf("index.html").matchAll(/"\/assets\/([\w.-]+)"/g)) take(name);
const session = files.find((name) => /^session-.*\.js$/.test(name));
if (!session) throw new Error("there is no file of the session: the budget does not know what an opened account loads");
take(session);

let total = 0;
for (const name of files) {
    const size = statSync(new URL(stored(`assets/${name}`), dist)).size / 1024;
    if (first.has(name)) total += size;
    console.log(`${size.toFixed(1).padStart(8)} KB  ${name}${first.has(name) ? "" : "  (when it is wanted)"}`);
}
console.log(`${total.toFixed(1).padStart(8)} KB  first load; ${budget} KB are allowed`);
if (total > budget) process.exit(1);
