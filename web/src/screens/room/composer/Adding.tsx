import { ChartBarBig } from "lucide-react";
import { useState } from "react";
import type { ReactNode } from "react";
import { MenuItem } from "../../../components/Menu";
import type { Timeline } from "../../../store/timeline";
import { useStrings } from "../../../strings";
import { AttachButton } from "../media/AttachButton";
import type { Target } from "../media/chosen";
import { PollDialog } from "./PollDialog";

/** What can be sent beside text. */
export function Adding({ timeline, target }: { timeline: Timeline; target: Target }): ReactNode {
    const words = useStrings().talk;
    const [polling, setPolling] = useState(false);
    return (
        <>
            <AttachButton target={target}>
                <MenuItem onClick={() => setPolling(true)}><ChartBarBig size={18} />{words.poll.name}</MenuItem>
            </AttachButton>
            {polling && <PollDialog timeline={timeline} onClose={() => setPolling(false)} />}
        </>
    );
}
