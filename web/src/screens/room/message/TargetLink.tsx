import type { MouseEvent, ReactNode } from "react";
import { targetOf } from "../../../store/addresses";
import { eventPath, go, roomPath, userPath } from "../../../store/place";
import styles from "./Html.module.css";

interface TargetLinkProps {
    href: string;
    own: string; // address of the person
    text: string;
}

/** A link in a message. Addresses of people are shown as names, those of rooms and messages open them here, all others elsewhere. */
export function TargetLink({ href, own, text }: TargetLinkProps): ReactNode {
    const target = targetOf(href, location.origin);
    if (target) {
        const path = target.to === "user" ? userPath(target.user) : target.to === "event" ? eventPath(target.room, target.event) : withVia(roomPath(target.room), target.via);
        const person = target.to === "user";
        const follow = (event: MouseEvent): void => {
            if (event.metaKey || event.ctrlKey || event.shiftKey) return; // as links do
            event.preventDefault();
            go(path);
        };
        return (
            <a className={styles.pill} href={path} onClick={follow} title={person ? target.user : href} data-own={person && target.user === own ? "" : undefined}>
                {person && !text.startsWith("@") ? `@${text}` : text}
            </a>
        );
    }
    if (!/^(?:https?|ftp|mailto|magnet):/i.test(href)) return <>{text}</>;
    return <a href={href} target="_blank" rel="noreferrer noopener" title={text === href ? undefined : href}>{text}</a>;
}

const withVia = (path: string, via: string[]): string => (via.length > 0 ? `${path}?${new URLSearchParams(via.map((server) => ["via", server])).toString()}` : path);
