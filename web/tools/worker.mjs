// Makes dist/worker.js, and tells it what the build consists of. Runs after the app was built, before it is compressed.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "vite";

const web = new URL("..", import.meta.url).pathname;
const dist = join(web, "dist");
const files = readdirSync(dist, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.startsWith("."))
    .map((entry) => join(entry.parentPath, entry.name).slice(dist.length))
    .filter((path) => path !== "/index.html")
    .sort();

await build({
    root: web,
    configFile: false,
    publicDir: false,
    logLevel: "warn",
    define: {
        BUILD: JSON.stringify(createHash("sha256").update(readFileSync(join(dist, "index.html"))).digest("hex")),
        FILES: JSON.stringify(files),
    },
    build: {
        target: ["chrome123", "firefox121", "safari17.5"],
        emptyOutDir: false,
        modulePreload: false,
        rolldownOptions: { input: join(web, "src/worker/worker.ts"), output: { format: "iife", entryFileNames: "worker.js" } },
    },
});
