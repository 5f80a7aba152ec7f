import { CloudOff } from "lucide-react";
import type { ReactNode } from "react";
import { useSession } from "../session/use";
import { useValue } from "../store/value";
import { useLanguage, useStrings } from "../strings";
import { moment } from "../strings/dates";

/** That the server does not answer, and since when; nothing while it does. */
export function Unanswered({ className }: { className: string | undefined }): ReactNode {
    const reach = useValue(useSession().link.state);
    const words = useStrings().link;
    const language = useLanguage();
    if (reach.is === "up") return null;
    const since = moment(reach.since, language);
    return <p className={className} role="status"><CloudOff size={18} />{reach.is === "silent" ? words.lost(since) : words.failing(since)}</p>;
}
