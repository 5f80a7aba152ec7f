import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// The server to develop against: `freehold serve` in another terminal.
const server = process.env.FREEHOLD ?? "http://localhost:8008";

export default defineConfig({
    plugins: [react()],
    build: {
        target: ["chrome123", "firefox121", "safari17.5"],
        assetsInlineLimit: 0, // the policy allows files of this server only
        modulePreload: { polyfill: false },
        chunkSizeWarningLimit: 2000, // tools/budget.mjs judges
    },
    css: { modules: { generateScopedName: "[hash:base64:6]" } },
    server: { proxy: { "/_matrix": server, "/_freehold": server } },
    test: { environment: "happy-dom", include: ["src/**/*.test.{ts,tsx}"] },
});
