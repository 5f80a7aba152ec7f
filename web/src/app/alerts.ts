import { useEffect } from "react";
import type { Session } from "../session/session";
import type { Alert } from "../store/alerts";
import { playSound } from "../store/chime";
import { go, placeOf, roomPath } from "../store/place";
import { banners, isQuiet, sound } from "../store/quiet";
import { useStrings } from "../strings";
import type { Strings } from "../strings/en";
import { gistText } from "../strings/gist";

/** Tells of what comes while the person looks at something else. */
export function useAlerts(session: Session): void {
    const strings = useStrings();
    useEffect(() => session.alerts((alert) => tell(alert, strings)), [session, strings]);
}

function tell(alert: Alert, strings: Strings): void {
    const away = document.visibilityState !== "visible" || !document.hasFocus();
    const place = placeOf(new URL(location.href));
    if (isQuiet() || (!away && place.at === "room" && place.room === alert.room)) return;
    if (sound.get() === "all" || (sound.get() === "important" && alert.important)) playSound();
    if (away && banners.get() === "on") void show(alert, strings);
}

async function show(alert: Alert, strings: Strings): Promise<void> {
    if (!("Notification" in globalThis) || Notification.permission !== "granted") return;
    const body = alert.gist ? gistText(alert.gist, strings, { who: alert.who, mine: false }) : strings.own.notifications.invitation(alert.who);
    const title = alert.direct || !alert.gist ? alert.roomName : `${alert.who} · ${alert.roomName}`;
    const options = { body, tag: alert.room, icon: "/icon.svg", silent: true, data: { path: roomPath(alert.room) } }; // the sound is ours
    try {
        const banner = new Notification(title, options);
        banner.onclick = () => {
            focus();
            go(roomPath(alert.room));
            banner.close();
        };
    } catch {
        // Chrome on Android lets only a service worker do it.
        await (await navigator.serviceWorker.getRegistration())?.showNotification(title, options);
    }
}
