// Puts dist/x.br and dist/x.gz in the place of dist/x, for each file that gets smaller. The bytes depend on the files and on
// node's version alone, which package-lock.json pins.
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

const dist = new URL("../dist/", import.meta.url).pathname;

async function compress(path) {
    const plain = readFileSync(path);
    const gz = await promisify(gzip)(plain, { level: 9 });
    if (gz.length > plain.length * 0.95) return;
    gz[9] = 255; // the operating system that it was made on: not said
    const br = await promisify(brotliCompress)(plain, {
        params: {
            [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
            [constants.BROTLI_PARAM_LGWIN]: 24,
            [constants.BROTLI_PARAM_SIZE_HINT]: plain.length,
        },
    });
    writeFileSync(`${path}.gz`, gz);
    writeFileSync(`${path}.br`, br);
    rmSync(path);
}

const files = readdirSync(dist, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile() && !entry.name.startsWith("."));
await Promise.all(files.map((entry) => compress(join(entry.parentPath, entry.name)))); // as many at a time as zlib has threads
