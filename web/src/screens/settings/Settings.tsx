import { ArrowLeft, Bell, Database, Eye, KeyRound, LogOut, MonitorSmartphone, Palette, UserRound } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import type { MouseEvent, ReactNode } from "react";
import { IconButton } from "../../components/Button";
import type { Session } from "../../session/session";
import { useSession } from "../../session/use";
import { go, homePath, settingsPath, usePlace } from "../../store/place";
import { useValue } from "../../store/value";
import { useStrings } from "../../strings";
import { Appearance } from "./Appearance";
import { Devices } from "./Devices";
import { Notifications } from "./Notifications";
import { OwnData } from "./OwnData";
import { Privacy } from "./Privacy";
import { Profile } from "./Profile";
import { Security } from "./Security";
import styles from "./Settings.module.css";
import { SignOutDialog } from "./SignOutDialog";

export interface SettingsProps {
    onSignOut: (session: Session) => Promise<void>;
    onGone: () => Promise<void>; // the account is no more
}

const icons = { profile: UserRound, appearance: Palette, notifications: Bell, privacy: Eye, security: KeyRound, devices: MonitorSmartphone, data: Database };
type Section = keyof typeof icons;

/** The settings: their list, and beside it, or on a phone in its place, those that are open. */
export default function Settings({ onSignOut, onGone }: SettingsProps): ReactNode {
    const session = useSession();
    const place = usePlace();
    const words = useStrings().own.settings;
    const strangers = useValue(session.trust.strangers);
    const { at: keys } = useValue(session.keys.state);
    const [leaving, setLeaving] = useState(false);
    const named = place.at === "settings" && place.section in icons ? (place.section as Section) : undefined;
    const open = named ?? "profile";
    const heading = useRef<HTMLHeadingElement>(null);
    useEffect(() => heading.current?.focus({ preventScroll: true }), [open]);
    const wants: Partial<Record<Section, boolean>> = { devices: strangers.length > 0, security: keys === "later" };
    return (
        <div className={styles.settings} data-open={named ? "" : undefined}>
            <nav className={styles.side} aria-label={words.title}>
                <div className={styles.head}>
                    <IconButton label={words.back} onClick={() => go(homePath)}><ArrowLeft size={22} /></IconButton>
                    <h1>{words.title}</h1>
                </div>
                <ul className={styles.list}>
                    {(Object.keys(icons) as Section[]).map((section) => {
                        const Icon = icons[section];
                        return (
                            <li key={section}>
                                <Path to={settingsPath(section)} current={open === section}>
                                    <Icon size={20} />{words[section]}
                                    {wants[section] && <span className={styles.mark} role="img" aria-label={words.attention} />}
                                </Path>
                            </li>
                        );
                    })}
                    <li className={styles.apart}><button type="button" className={styles.bad} onClick={() => setLeaving(true)}><LogOut size={20} /><SignOutWord /></button></li>
                </ul>
            </nav>
            <main className={styles.main} key={open}>
                <header>
                    <IconButton label={words.toList} className={styles.back} onClick={() => go(settingsPath())}><ArrowLeft size={22} /></IconButton>
                    <h1 ref={heading} tabIndex={-1}>{words[open]}</h1>
                </header>
                <div className={styles.body}>
                    {open === "profile" ? <Profile />
                    : open === "appearance" ? <Appearance />
                    : open === "notifications" ? <Notifications />
                    : open === "privacy" ? <Privacy />
                    : open === "security" ? <Security onGone={onGone} />
                    : open === "devices" ? <Devices />
                    : <OwnData />}
                </div>
            </main>
            {leaving && <SignOutDialog onClose={() => setLeaving(false)} onSignOut={() => void onSignOut(session)} />}
        </div>
    );
}

const SignOutWord = (): ReactNode => useStrings().menu.signOut;

/** A link within the app. */
function Path({ to, current, children }: { to: string; current: boolean; children: ReactNode }): ReactNode {
    const follow = (event: MouseEvent): void => {
        if (event.metaKey || event.ctrlKey || event.shiftKey) return; // as links do
        event.preventDefault();
        go(to);
    };
    return <a href={to} onClick={follow} aria-current={current ? "page" : undefined}>{children}</a>;
}
