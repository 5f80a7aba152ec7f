/** As many bars as there is room for, each as loud as the loudest that it stands for; the loudest of all is 1. */
export function barsOf(wave: readonly number[], count: number): number[] {
    const most = Math.max(0.05, ...wave);
    return Array.from({ length: count }, (_, i) => {
        const from = Math.floor((i * wave.length) / count);
        const to = Math.max(from + 1, Math.floor(((i + 1) * wave.length) / count));
        return Math.max(0, ...wave.slice(from, to)) / most;
    });
}
