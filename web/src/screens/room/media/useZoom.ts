import { useRef, useState } from "react";
import type { CSSProperties, PointerEvent, WheelEvent } from "react";

const most = 6;
const stepBy = 1.5;
const swipeLength = 60; // CSS pixels after which a finger has asked for the next picture

interface Place {
    scale: number;
    x: number;
    y: number;
}

const whole: Place = { scale: 1, x: 0, y: 0 };

export interface Zoom {
    scale: number;
    canGrow: boolean;
    in: () => void;
    out: () => void;
    reset: () => void;
    style: CSSProperties;
    handlers: (onSwipe: (by: number) => void) => object;
}

/** How near a picture is looked at, and which part of it: by wheel, two fingers, double click, dragging. It starts anew with each picture. */
export function useZoom(picture: string): Zoom {
    const [of, setOf] = useState(picture);
    const [place, setPlace] = useState(whole);
    const [held, setHeld] = useState(false);
    const pointers = useRef(new Map<number, { x: number; y: number }>());
    const start = useRef({ x: 0, y: 0 }); // where the finger came down
    if (of !== picture) {
        setOf(picture);
        setPlace(whole);
    }
    const to = (scale: number): void => setPlace((old) => placed(old, scale));

    const handlers = (onSwipe: (by: number) => void): object => ({
        onWheel: (event: WheelEvent) => setPlace((old) => placed(old, old.scale * Math.exp(-event.deltaY / 400))),
        onDoubleClick: () => to(place.scale > 1 ? 1 : 2.5),
        onPointerDown: (event: PointerEvent) => {
            event.currentTarget.setPointerCapture(event.pointerId);
            pointers.current.set(event.pointerId, { x: event.clientX, y: event.clientY });
            start.current = { x: event.clientX, y: event.clientY };
            setHeld(true);
        },
        onPointerMove: (event: PointerEvent) => {
            const before = pointers.current.get(event.pointerId);
            if (!before) return;
            const other = [...pointers.current].find(([id]) => id !== event.pointerId)?.[1];
            const now = { x: event.clientX, y: event.clientY };
            pointers.current.set(event.pointerId, now);
            const grown = other ? distance(now, other) / Math.max(distance(before, other), 1) : 1;
            setPlace((old) => {
                const next = placed(old, old.scale * grown);
                return next.scale > 1 ? { ...next, x: next.x + now.x - before.x, y: next.y + now.y - before.y } : next;
            });
        },
        onPointerUp: (event: PointerEvent) => {
            const moved = event.clientX - start.current.x;
            if (pointers.current.size === 1 && place.scale === 1 && event.pointerType === "touch" && Math.abs(moved) > swipeLength) onSwipe(moved < 0 ? 1 : -1);
            pointers.current.delete(event.pointerId);
            setHeld(pointers.current.size > 0);
        },
        onPointerCancel: (event: PointerEvent) => {
            pointers.current.delete(event.pointerId);
            setHeld(pointers.current.size > 0);
        },
    });
    return {
        scale: place.scale,
        canGrow: place.scale < most,
        in: () => to(place.scale * stepBy),
        out: () => to(place.scale / stepBy),
        reset: () => setPlace(whole),
        style: {
            transform: `translate(${place.x}px, ${place.y}px) scale(${place.scale})`,
            cursor: place.scale > 1 ? (held ? "grabbing" : "grab") : "zoom-in",
            transition: held ? "none" : undefined,
        },
        handlers,
    };
}

/** As near as asked for, within bounds; what is in the middle stays there. */
function placed(old: Place, wanted: number): Place {
    const scale = Math.min(Math.max(wanted, 1), most);
    if (scale < 1.02) return whole;
    return { scale, x: (old.x * scale) / old.scale, y: (old.y * scale) / old.scale };
}

const distance = (a: { x: number; y: number }, b: { x: number; y: number }): number => Math.hypot(a.x - b.x, a.y - b.y);
