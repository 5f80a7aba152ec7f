import type { ReactNode } from "react";
import { plainName } from "../store/names";
import styles from "./Avatar.module.css";

const hues = 8; // as many as Avatar.module.css has

interface AvatarProps {
    id: string; // of whom or what it stands for: it says the colour
    name: string;
    picture?: string; // its address, once it has come
    size?: "tiny" | "small" | "middle" | "large";
}

/** Somebody's picture, or one made of the first letters of the name. It says nothing that the name beside it does not. */
export function Avatar({ id, name, size = "middle", picture }: AvatarProps): ReactNode {
    return (
        <span className={`${styles.avatar} ${styles[size]}`} data-hue={hueOf(id)} data-letters={picture ? undefined : initials(name)} aria-hidden="true">
            {picture && <img src={picture} alt="" draggable={false} />}
        </span>
    );
}

export function hueOf(id: string): number {
    let hash = 0;
    for (const char of id) hash = (hash * 31 + char.codePointAt(0)!) >>> 0;
    return hash % hues;
}

/** One letter, or two of a name of several words. */
export function initials(name: string): string {
    const words = plainName(name).replace(/^[@#!]/, "").split(/[\s._-]+/).filter((word) => /[\p{L}\p{N}]/u.test(word));
    const firsts = words.map((word) => /[\p{L}\p{N}]/u.exec(word)![0]);
    return (firsts.length > 1 ? firsts[0]! + firsts.at(-1)! : (firsts[0] ?? "·")).toUpperCase();
}
