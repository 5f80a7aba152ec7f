import { LogOut, Network, Search, Settings, SquarePen } from "lucide-react";
import { useState } from "react";
import type { ReactNode } from "react";
import { Avatar } from "../../components/Avatar";
import { IconButton } from "../../components/Button";
import { Menu, MenuChoice, MenuItem, MenuLine } from "../../components/Menu";
import { savedAccount } from "../../session/account";
import type { Session } from "../../session/session";
import { useOpened } from "../../session/use";
import { go, serversPath, settingsPath } from "../../store/place";
import { theme } from "../../store/theme";
import { useValue } from "../../store/value";
import { chooseLanguage, languages, useLanguage, useStrings } from "../../strings";
import { SignOutDialog } from "../settings/SignOutDialog";
import styles from "./SidebarHead.module.css";

interface SidebarHeadProps {
    filter: string;
    onFilter: (filter: string) => void;
    onCreate: () => void;
    onSignOut: (session: Session) => Promise<void>;
}

export function SidebarHead({ filter, onFilter, onCreate, onSignOut }: SidebarHeadProps): ReactNode {
    const words = useStrings().rooms;
    const session = useOpened();
    const user = session?.account.user ?? savedAccount()?.user ?? "";
    return (
        <header className={styles.head}>
            <div className={styles.row}>
                <h1>{words.title}</h1>
                <IconButton label={words.create} onClick={onCreate} disabled={!session}><SquarePen size={21} /></IconButton>
                {session ? <OwnMenu session={session} onSignOut={onSignOut} /> : <span className={styles.own}><Avatar id={user} name={user} size="small" /></span>}
            </div>
            <label className={styles.search}>
                <Search size={18} aria-hidden="true" />
                <span className="unseen">{words.search}</span>
                <input type="search" value={filter} placeholder={words.search} onChange={(e) => onFilter(e.target.value)} onKeyDown={(e) => e.key === "Escape" && onFilter("")} />
            </label>
        </header>
    );
}

/** What concerns the person: appearance, language, signing out. */
function OwnMenu({ session, onSignOut }: { session: Session; onSignOut: (session: Session) => Promise<void> }): ReactNode {
    const { account } = session;
    const strings = useStrings();
    const words = strings.menu;
    const language = useLanguage();
    const [leaving, setLeaving] = useState(false);
    return (
        <>
            <Menu trigger={<button type="button" className={styles.own} aria-label={strings.rooms.menu} title={account.user}><Avatar id={account.user} name={account.user} size="small" /></button>}>
                <p className={styles.address}>{account.user}</p>
                <MenuLine />
                <MenuItem onClick={() => go(settingsPath())}><Settings size={18} />{strings.own.settings.title}</MenuItem>
                {useValue(session.beyond.tells) && <MenuItem onClick={() => go(serversPath)}><Network size={18} />{strings.beyond.title}</MenuItem>}
                <MenuLine />
                <MenuChoice
                    label={words.appearance} value={useValue(theme)} onChoose={(chosen) => theme.set(chosen)}
                    options={{ system: words.system, light: words.light, dark: words.dark }}
                />
                <MenuLine />
                <MenuChoice label={words.language} value={language} options={languages} onChoose={(chosen) => void chooseLanguage(chosen)} />
                <MenuLine />
                <MenuItem bad onClick={() => setLeaving(true)}><LogOut size={18} />{words.signOut}</MenuItem>
            </Menu>
            {leaving && <SignOutDialog onClose={() => setLeaving(false)} onSignOut={() => void onSignOut(session)} />}
        </>
    );
}
