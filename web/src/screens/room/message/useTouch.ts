import { useRef } from "react";
import type { TouchEvent } from "react";

const long = 450; // milliseconds until a touch is a long one
const still = 10; // pixels that a finger may move and still rest
const far = 64; // pixels to the side that are a swipe

interface Touch {
    onTouchStart: (event: TouchEvent<HTMLElement>) => void;
    onTouchMove: (event: TouchEvent<HTMLElement>) => void;
    onTouchEnd: (event: TouchEvent<HTMLElement>) => void;
    onTouchCancel: (event: TouchEvent<HTMLElement>) => void;
}

/** A finger that rests opens the menu; one that swipes towards the beginning of the line answers. */
export function useTouch(rested: () => void, swiped: () => void): Touch {
    const state = useRef<{ x: number; y: number; timer: ReturnType<typeof setTimeout>; swipe: number; rested: boolean } | undefined>(undefined);
    const stop = (element: HTMLElement): void => {
        if (state.current) clearTimeout(state.current.timer);
        state.current = undefined;
        element.style.translate = "";
    };
    return {
        onTouchStart: (event) => {
            const touch = event.touches[0];
            if (event.touches.length !== 1 || !touch || (event.target as Element).closest("button, a, pre, input, audio, video, [role='slider']")) return;
            const timer = setTimeout(() => {
                if (state.current) state.current.rested = true;
                if ("vibrate" in navigator) navigator.vibrate(10);
                rested();
            }, long);
            state.current = { x: touch.clientX, y: touch.clientY, timer, swipe: 0, rested: false };
        },
        onTouchMove: (event) => {
            const touch = event.touches[0];
            const now = state.current;
            if (!now || !touch || now.rested) return;
            const [dx, dy] = [touch.clientX - now.x, touch.clientY - now.y];
            if (Math.abs(dx) > still || Math.abs(dy) > still) clearTimeout(now.timer);
            if (Math.abs(dy) > still && Math.abs(dy) > Math.abs(dx)) {
                stop(event.currentTarget);
                return;
            }
            const towards = getComputedStyle(event.currentTarget).direction === "rtl" ? 1 : -1;
            now.swipe = Math.max(0, dx * towards);
            if (now.swipe > still) event.currentTarget.style.translate = `${towards * Math.min(now.swipe, far + 16)}px`;
        },
        onTouchEnd: (event) => {
            if (state.current?.rested) event.preventDefault(); // or it would press what has opened under it
            else if (state.current && state.current.swipe > far) swiped();
            stop(event.currentTarget);
        },
        onTouchCancel: (event) => stop(event.currentTarget),
    };
}
