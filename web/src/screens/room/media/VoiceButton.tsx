import { Mic } from "lucide-react";
import type { ReactNode } from "react";
import { IconButton } from "../../../components/Button";
import { useStrings } from "../../../strings";

/** Begins a voice message. */
export const VoiceButton = ({ onRecord }: { onRecord: () => void }): ReactNode => {
    const words = useStrings().media;
    return <IconButton label={words.record} onClick={onRecord}><Mic size={20} /></IconButton>;
};
