import { useSyncExternalStore } from "react";
import { useOpened, useSession } from "../use";
import type { Shown, Wish } from "./media";

const nothing = (): undefined => undefined;
const never = (): (() => void) => () => undefined;

/** A file to look at; it is fetched while the component is there. Nothing is fetched for undefined, nor before the account has been opened. */
export function useFile(wish: Wish | undefined): Shown | undefined {
    const session = useOpened();
    const file = wish && session?.media.file(wish);
    return useSyncExternalStore(file?.subscribe ?? never, file?.get ?? nothing);
}

/** Tries again to fetch what could not be. */
export function useRetry(wish: Wish | undefined): () => void {
    const { media } = useSession();
    return () => {
        if (wish) media.file(wish).retry();
    };
}

/** The address of somebody's or a room's picture, in a form that fits; undefined while there is none. side: of its place, in CSS pixels. */
export function usePicture(mxc: string | undefined, side: number): string | undefined {
    const shown = useFile(mxc?.startsWith("mxc://") ? { source: { url: mxc }, mime: "image/png", side: side > 64 ? 320 : 96, limit: pictureLimit } : undefined);
    return shown?.at === "there" ? shown.url : undefined;
}

const pictureLimit = 4 * 1024 * 1024;
