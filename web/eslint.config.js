import hooks from "eslint-plugin-react-hooks";
import ts from "typescript-eslint";

// The floors of the app, from the ground up: a folder imports those before it.
const floors = ["store", "session", "strings", "components", "screens", "app"];
const above = (floor) => floors.slice(floors.indexOf(floor) + 1);

export default ts.config(
    { ignores: ["dist", "node_modules", "shots"] },
    {
        files: ["src/**/*.{ts,tsx}", "e2e/*.ts"],
        extends: [...ts.configs.strictTypeChecked],
        plugins: { "react-hooks": hooks },
        languageOptions: { parserOptions: { projectService: true } },
        rules: {
            ...hooks.configs.recommended.rules,
            "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
            "@typescript-eslint/no-confusing-void-expression": "off",
            "@typescript-eslint/no-floating-promises": ["error", { allowForKnownSafeCalls: [{ from: "package", package: "node:test", name: ["test", "after", "before"] }] }],
            "@typescript-eslint/no-misused-promises": ["error", { checksVoidReturn: { attributes: false } }],
            "@typescript-eslint/no-non-null-assertion": "off", // where the type cannot say what the line above has made sure of
        },
    },
    ...floors.map((floor) => ({
        files: [`src/${floor}/**/*.{ts,tsx}`],
        rules: {
            "@typescript-eslint/no-restricted-imports": ["error", {
                patterns: [
                    ...(floor === floors.at(-1) ? [] : [{ group: above(floor).flatMap((other) => [`../${other}/**`, `../../${other}/**`, `../${other}`, `../../${other}`]), message: `${floor} is below that floor` }]),
                    // What is shown first must not wait for the SDK: its code is for these two.
                    ...(floor === "store" || floor === "session" ? [] : [{ group: ["matrix-js-sdk", "matrix-js-sdk/**"], message: "ask session/ or store/" }]),
                ],
            }],
        },
    })),
);
