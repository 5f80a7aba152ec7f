import type { MouseEvent } from "react";

/** Follows a link within the app; with a key held it stays the browser's link. */
export const follow = (go: () => void) => (event: MouseEvent): void => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    go();
};
