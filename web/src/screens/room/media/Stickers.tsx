import { Popover } from "@base-ui/react/popover";
import { Plus, Sticker, X } from "lucide-react";
import { useRef, useState } from "react";
import type { ReactNode } from "react";
import { Button, IconButton } from "../../../components/Button";
import { useFile } from "../../../session/media/use";
import { useSession } from "../../../session/use";
import type { Pack, PackImage } from "../../../store/packs";
import { useStrings } from "../../../strings";
import type { Target } from "./chosen";
import styles from "./Stickers.module.css";

/** Opens the collections of stickers. */
export function StickerButton({ target, encrypted }: { target: Target; encrypted: boolean }): ReactNode {
    const words = useStrings().media;
    const [open, setOpen] = useState(false);
    return (
        <Popover.Root open={open} onOpenChange={setOpen}>
            <Popover.Trigger render={<IconButton label={words.stickers}><Sticker size={20} /></IconButton>} />
            <Popover.Portal>
                <Popover.Positioner className={styles.place} side="top" align="end" sideOffset={8}>
                    <Popover.Popup className={styles.panel} aria-label={words.stickers}>
                        <Packs target={target} encrypted={encrypted} onDone={() => setOpen(false)} />
                    </Popover.Popup>
                </Popover.Positioner>
            </Popover.Portal>
        </Popover.Root>
    );
}

function Packs({ target, encrypted, onDone }: { target: Target; encrypted: boolean; onDone: () => void }): ReactNode {
    const { stickers, sending } = useSession();
    const words = useStrings().media;
    const input = useRef<HTMLInputElement>(null);
    const [packs, setPacks] = useState(() => stickers.packs(target.room, words.ownStickers));
    const [busy, setBusy] = useState(false);
    const [failed, setFailed] = useState(false);

    const change = async (act: () => Promise<void>): Promise<void> => {
        setBusy(true);
        setFailed(false);
        await act().catch(() => setFailed(true));
        setPacks(stickers.packs(target.room, words.ownStickers));
        setBusy(false);
    };
    const send = (image: PackImage): void => {
        sending.sticker(target.room, image, target.take().first);
        onDone();
    };
    return (
        <>
            <div className={styles.packs}>
                {packs.length === 0 && <p className={styles.none}>{words.stickersNone}</p>}
                {packs.map((pack) => (
                    <PackView key={pack.key} pack={pack} busy={busy} onSend={send} onRemove={(image) => void change(() => stickers.remove(image.shortcode))} />
                ))}
            </div>
            {failed && <p className={styles.failed} role="alert">{words.failed.away}</p>}
            <footer className={styles.foot}>
                {encrypted && packs.length > 0 && <p>{words.stickersOpen}</p>}
                <Button busy={busy} onClick={() => input.current?.click()}><Plus size={18} />{words.addSticker}</Button>
                <input
                    ref={input} type="file" accept="image/*" hidden tabIndex={-1} aria-label={words.addSticker}
                    onChange={(e) => {
                        const file = e.target.files?.[0];
                        e.target.value = "";
                        if (file) void change(() => stickers.add(file));
                    }}
                />
            </footer>
        </>
    );
}

interface PackViewProps {
    pack: Pack;
    busy: boolean;
    onSend: (image: PackImage) => void;
    onRemove: (image: PackImage) => void;
}

function PackView({ pack, busy, onSend, onRemove }: PackViewProps): ReactNode {
    const words = useStrings().media;
    return (
        <section>
            <h2>{pack.name}</h2>
            <ul className={styles.grid}>
                {pack.images.map((image) => (
                    <li key={image.shortcode}>
                        <button type="button" className={styles.sticker} aria-label={image.name} title={image.name} onClick={() => onSend(image)}><StickerPicture url={image.url} /></button>
                        {pack.own && <button type="button" className={styles.remove} disabled={busy} aria-label={words.removeSticker(image.name)} title={words.removeSticker(image.name)} onClick={() => onRemove(image)}><X size={12} /></button>}
                    </li>
                ))}
            </ul>
        </section>
    );
}

function StickerPicture({ url }: { url: string }): ReactNode {
    const shown = useFile({ source: { url }, mime: "image/png", side: 320, limit: 2 * 1024 * 1024 });
    return shown?.at === "there" ? <img src={shown.url} alt="" draggable={false} /> : null;
}
