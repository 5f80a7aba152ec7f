let context: AudioContext | undefined;
let last = 0;

const between = 1500; // milliseconds; what comes in one burst makes one sound

/** Two soft notes. They are made here: no file is fetched, and none can be missing. */
export function playSound(): void {
    const now = Date.now();
    if (now - last < between) return;
    last = now;
    context ??= new AudioContext();
    void context.resume();
    for (const [i, frequency] of [659.3, 880].entries()) note(context, frequency, context.currentTime + i * 0.12);
}

function note(context: AudioContext, frequency: number, at: number): void {
    const tone = context.createOscillator();
    const loudness = context.createGain();
    tone.frequency.value = frequency;
    loudness.gain.setValueAtTime(0, at);
    loudness.gain.linearRampToValueAtTime(0.12, at + 0.015);
    loudness.gain.exponentialRampToValueAtTime(0.0001, at + 0.4);
    tone.connect(loudness).connect(context.destination);
    tone.start(at);
    tone.stop(at + 0.45);
}
