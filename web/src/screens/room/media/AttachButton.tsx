import { FileText, Image, MapPin, Paperclip } from "lucide-react";
import { lazy, Suspense, useRef, useState } from "react";
import type { ReactNode } from "react";
import { IconButton } from "../../../components/Button";
import { Menu, MenuItem } from "../../../components/Menu";
import { useStrings } from "../../../strings";
import { offer } from "./chosen";
import type { Target } from "./chosen";

const SpotDialog = lazy(() => import("./SpotDialog").then((file) => ({ default: file.SpotDialog })));

/** What can be sent besides text. */
export function AttachButton({ target, children }: { target: Target; children?: ReactNode }): ReactNode {
    const words = useStrings().media;
    const pictures = useRef<HTMLInputElement>(null);
    const files = useRef<HTMLInputElement>(null);
    const [asking, setAsking] = useState(false);
    const input = (accept?: string): object => ({
        type: "file", hidden: true, multiple: true, accept, tabIndex: -1,
        onChange: (event: { target: HTMLInputElement }) => {
            offer(target, [...(event.target.files ?? [])]);
            event.target.value = ""; // the same may be chosen again
        },
    });
    return (
        <>
            <Menu trigger={<IconButton label={words.attach}><Paperclip size={20} /></IconButton>}>
                <MenuItem onClick={() => pictures.current?.click()}><Image size={18} />{words.pictures}</MenuItem>
                <MenuItem onClick={() => files.current?.click()}><FileText size={18} />{words.files}</MenuItem>
                {isSecureContext && "geolocation" in navigator && <MenuItem onClick={() => setAsking(true)}><MapPin size={18} />{words.place}</MenuItem>}
                {children}
            </Menu>
            <input ref={pictures} {...input("image/*,video/*")} aria-label={words.pictures} />
            <input ref={files} {...input()} aria-label={words.files} />
            {asking && <Suspense><SpotDialog target={target} onClose={() => setAsking(false)} /></Suspense>}
        </>
    );
}
