import { useEffect, useMemo } from "react";
import { useSession } from "../../session/use";
import type { Member, RoomInfo } from "../../store/details";
import { useValue } from "../../store/value";

/** A room in detail, while the component is there. */
export function useDetails(id: string): { info: RoomInfo | undefined; members: Member[] | undefined } {
    const session = useSession();
    const details = useMemo(() => session.details(id), [session, id]);
    useEffect(() => details.open(), [details]);
    return { info: useValue(details.info), members: useValue(details.members) };
}
