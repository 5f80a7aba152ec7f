import { useCallback, useState } from "react";
import { useStrings } from "../strings";
import type { Strings } from "../strings/en";

interface Deed {
    busy: boolean;
    problem: string | undefined;
    /** Does it; then is called when it is done. */
    act: (deed: () => Promise<void>, then?: () => void) => void;
}

/** Something that the server is asked for: busy meanwhile, and then done, or refused with a reason in words. */
export function useDeed(): Deed {
    const strings = useStrings();
    const [busy, setBusy] = useState(false);
    const [problem, setProblem] = useState<string>();
    const act = useCallback((deed: () => Promise<void>, then?: () => void): void => {
        setBusy(true);
        setProblem(undefined);
        deed().then(
            () => {
                setBusy(false);
                then?.();
            },
            (error: unknown) => {
                console.warn("not done", error);
                setBusy(false);
                setProblem(problemOf(error, strings));
            },
        );
    }, [strings]);
    return { busy, problem, act };
}

/** What went wrong, for who reads it. */
export function problemOf(error: unknown, strings: Strings): string {
    const { httpStatus, errcode, data } = error as { httpStatus?: number; errcode?: string; data?: { error?: string } };
    if (httpStatus === undefined) return error instanceof Error && error.name !== "ConnectionError" ? strings.refused.other(error.message) : strings.refused.unreachable;
    if (errcode === "M_LIMIT_EXCEEDED") return strings.refused.often;
    if (httpStatus === 403) return strings.groups.notAllowed;
    if (httpStatus === 404) return strings.groups.notFound;
    return strings.refused.other(data?.error ?? String(httpStatus));
}
