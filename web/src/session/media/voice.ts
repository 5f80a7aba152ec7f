import { oggOf } from "./ogg";
import type { Prepared } from "./prepare";

const waveLength = 120; // values that are sent
const types = ["audio/ogg;codecs=opus", "audio/webm;codecs=opus", "audio/mp4"];

/** A recording that goes on. */
export interface Recording {
    /** How loud it is now, from 0 to 1. */
    level(): number;
    /** Ends it, and gives what was said. */
    finish(name: string): Promise<Prepared>;
    /** Ends it; nothing is kept. */
    discard(): void;
}

/** Begins to record; throws when the person or the browser does not let the page. */
export async function record(): Promise<Recording> {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true, channelCount: 1 } });
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    context.createMediaStreamSource(stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const recorder = new MediaRecorder(stream, { mimeType: types.find((type) => MediaRecorder.isTypeSupported(type)), audioBitsPerSecond: 32_000 });
    const parts: Blob[] = [];
    recorder.addEventListener("dataavailable", ({ data }) => parts.push(data));
    recorder.start(1000);
    const end = (): void => {
        for (const track of stream.getTracks()) track.stop();
        void context.close();
    };
    return {
        level: () => {
            analyser.getFloatTimeDomainData(samples);
            return Math.min(1, Math.sqrt(samples.reduce((sum, value) => sum + value * value, 0) / samples.length) * 4);
        },
        finish: async (name) => {
            const stopped = new Promise((resolve) => recorder.addEventListener("stop", resolve, { once: true }));
            recorder.stop();
            await stopped;
            end();
            return voiceOf(new Blob(parts, { type: recorder.mimeType }), name);
        },
        discard: () => {
            recorder.stop();
            end();
        },
    };
}

async function voiceOf(recorded: Blob, name: string): Promise<Prepared> {
    const type = recorded.type.split(";")[0]!;
    const bytes = await recorded.arrayBuffer();
    const body = type === "audio/webm" ? new Blob([oggOf(new Uint8Array(bytes))], { type: "audio/ogg" }) : new Blob([bytes], { type });
    const sound = await new OfflineAudioContext(1, 1, 48_000).decodeAudioData(await body.arrayBuffer());
    return {
        kind: "audio", name: `${name}.${type === "audio/mp4" ? "m4a" : "ogg"}`, body, width: 0, height: 0, duration: Math.round(sound.duration * 1000),
        blurhash: "", preview: undefined, wave: waveOf(sound.getChannelData(0), waveLength),
    };
}

/** How loud it was over time; the loudest is 1, so that who speaks low is seen too. */
export function waveOf(samples: Float32Array, length: number): number[] {
    const wave = Array.from({ length }, (_, i) => {
        const part = samples.subarray(Math.floor((i * samples.length) / length), Math.floor(((i + 1) * samples.length) / length));
        return Math.sqrt(part.reduce((sum, value) => sum + value * value, 0) / (part.length || 1));
    });
    const most = Math.max(...wave);
    return most > 0.001 ? wave.map((value) => Math.round((value / most) * 1000) / 1000) : wave.map(() => 0);
}
