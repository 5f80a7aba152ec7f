import { Refused } from "../../session/entry";
import type { Strings } from "../../strings/en";

/** Which field a refusal is about, and what to say there. */
export interface Refusal {
    field: "name" | "password" | "token" | "form";
    text: string;
}

export function refusalOf(error: unknown, strings: Strings, where: "signIn" | "register", least: number): Refusal {
    const words = strings.refused;
    if (!(error instanceof Refused)) return { field: "form", text: words.other(String(error)) };
    switch (error.code) {
        case "":
            return { field: "form", text: words.unreachable };
        case "M_FORBIDDEN":
            return where === "signIn" ? { field: "password", text: words.credentials } : { field: "token", text: words.invitation };
        case "M_USER_IN_USE":
        case "M_EXCLUSIVE":
            return { field: "name", text: words.taken };
        case "M_INVALID_USERNAME":
            return { field: "name", text: words.badName };
        case "M_WEAK_PASSWORD":
            return { field: "password", text: words.weak(least) };
        case "M_LIMIT_EXCEEDED":
            return { field: "form", text: words.often };
        default:
            return { field: "form", text: words.other(error.message) };
    }
}
