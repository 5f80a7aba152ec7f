import { useCallback, useState } from "react";

interface Act {
    busy: boolean;
    failed: boolean;
    run: (act: () => Promise<unknown>, then?: () => void) => Promise<void>;
}

/** Something that the server is asked to do: busy meanwhile, then done or not. Who thinks better of it has not failed. */
export function useAct(): Act {
    const [busy, setBusy] = useState(false);
    const [failed, setFailed] = useState(false);
    const run = useCallback(async (act: () => Promise<unknown>, then?: () => void): Promise<void> => {
        setBusy(true);
        setFailed(false);
        try {
            await act();
            setBusy(false);
            then?.();
        } catch (error) {
            setBusy(false);
            if (error instanceof Error && error.name === "Cancelled") return;
            console.warn("it did not work", error);
            setFailed(true);
        }
    }, []);
    return { busy, failed, run };
}
