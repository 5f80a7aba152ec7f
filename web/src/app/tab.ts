/**
 * Takes the account for this tab: two tabs that encrypt with the same keys would spoil them. Gives false when another tab has
 * it, unless it is to be taken from there; lost is called when another tab takes it from this one. Browsers give locks to
 * secure pages only; elsewhere a tab believes that it is the only one.
 */
export function holdTab(steal: boolean, lost: () => void): Promise<boolean> {
    const locks = navigator.locks as LockManager | undefined;
    if (!locks) return Promise.resolve(true);
    return new Promise((resolve) => {
        const options = steal ? { steal: true } : { ifAvailable: true };
        locks
            .request("freehold.account", options, (lock) => {
                resolve(lock !== null);
                return lock ? new Promise(() => undefined) : undefined; // held until the tab is closed
            })
            .catch(() => lost());
    });
}
