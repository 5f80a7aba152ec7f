import { createContext, useContext } from "react";
import type { Session } from "./session";

export const SessionContext = createContext<Session | undefined>(undefined);

/** The session, when the account has been opened: what is shown before does without. */
export const useOpened = (): Session | undefined => useContext(SessionContext);

/** The session of the account that is signed in; for screens that are shown to who is. */
export function useSession(): Session {
    const session = useContext(SessionContext);
    if (!session) throw new Error("bug: there is no session here");
    return session;
}
