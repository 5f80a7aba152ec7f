/**
 * Gathers what happens in one burst into one call: the SDK tells of each event, screens want to hear once a frame. It is a
 * timer, as frames stop in a tab that is not looked at, whose title and notifications go on.
 */
export function soon(run: () => void, ms = 16): () => void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    return () => {
        timer ??= setTimeout(() => {
            timer = undefined;
            run();
        }, ms);
    };
}
