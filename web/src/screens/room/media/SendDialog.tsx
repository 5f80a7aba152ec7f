import { FileText, Film, Music, Plus, X } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import type { KeyboardEvent, ReactNode, SyntheticEvent } from "react";
import { Button } from "../../../components/Button";
import { Dialog, DialogEnd } from "../../../components/Dialog";
import { Note } from "../../../components/Page";
import { mannerOf } from "../../../session/media/types";
import { useSession } from "../../../session/use";
import { useLanguage, useStrings } from "../../../strings";
import { fileSize } from "../../../strings/sizes";
import { chosen as place, mostFiles, offer } from "./chosen";
import type { Chosen } from "./chosen";
import styles from "./Sending.module.css";

/** Shows the files that are about to be sent; they get a caption, and are sent or not. */
export function SendDialog({ chosen: { target, files } }: { chosen: Chosen }): ReactNode {
    const { sending } = useSession();
    const strings = useStrings();
    const words = strings.media;
    const language = useLanguage();
    const [caption, setCaption] = useState("");
    const [unchanged, setUnchanged] = useState(false);
    const [largest, setLargest] = useState(Infinity);
    const more = useRef<HTMLInputElement>(null);
    const looks = files.some((file) => mannerOf(file.type) === "image" || mannerOf(file.type) === "video");
    const tooLarge = files.filter((file) => file.size > largest && (unchanged || mannerOf(file.type) !== "image")); // pictures get smaller
    const close = (): void => place.set(undefined);

    useEffect(() => {
        void sending.largest().then(setLargest);
    }, [sending]);

    const ready = tooLarge.length === 0 && files.length <= mostFiles;
    const send = (event?: SyntheticEvent): void => {
        event?.preventDefault();
        if (!ready) return;
        const { first, rest } = target.take();
        void sending.files(target.room, files, caption.trim(), unchanged, first, rest);
        close();
    };
    const pressed = (event: KeyboardEvent): void => {
        if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing || !matchMedia("(pointer: fine)").matches) return;
        send(event);
    };
    return (
        <Dialog title={words.sendTitle(files.length)} onClose={close}>
            <form className={styles.form} onSubmit={send}>
                <ul className={styles.files} data-one={files.length === 1 ? "" : undefined}>
                    {files.map((file, i) => (
                        <ChosenFile key={`${i} ${file.name} ${file.size}`} file={file} unchanged={unchanged} onRemove={() => { place.set(undefined); offer(target, files.filter((_, other) => other !== i)); }} />
                    ))}
                </ul>
                {tooLarge.length > 0 && <Note look="bad">{words.tooLarge(tooLarge.map(({ name }) => name).join(", "), fileSize(largest, language, words))}</Note>}
                {files.length > mostFiles && <Note look="bad">{words.tooMany(mostFiles)}</Note>}
                <textarea className={styles.caption} rows={2} dir="auto" value={caption} placeholder={words.caption} aria-label={words.caption} autoFocus onChange={(e) => setCaption(e.target.value)} onKeyDown={pressed} />
                {looks && (
                    <label className={styles.unchanged}>
                        <input type="checkbox" checked={unchanged} onChange={(e) => setUnchanged(e.target.checked)} />
                        <span>{words.unchanged}<small>{words.unchangedHint}</small></span>
                    </label>
                )}
                <input ref={more} type="file" multiple hidden tabIndex={-1} aria-label={words.addMore} onChange={(e) => { offer(target, [...(e.target.files ?? [])]); e.target.value = ""; }} />
                <DialogEnd>
                    <Button className={styles.add} onClick={() => more.current?.click()}><Plus size={18} />{words.addMore}</Button>
                    <Button onClick={close}>{strings.create.cancel}</Button>
                    <Button type="submit" look="main" disabled={!ready}>{words.send}</Button>
                </DialogEnd>
            </form>
        </Dialog>
    );
}

function ChosenFile({ file, unchanged, onRemove }: { file: File; unchanged: boolean; onRemove: () => void }): ReactNode {
    const words = useStrings().media;
    const language = useLanguage();
    const manner = unchanged ? "file" : mannerOf(file.type);
    const picture = useRef<HTMLImageElement>(null);
    useEffect(() => {
        if (!picture.current) return;
        const url = URL.createObjectURL(file);
        picture.current.src = url;
        return () => URL.revokeObjectURL(url);
    }, [file, manner]);
    const Icon = { image: FileText, file: FileText, video: Film, audio: Music }[manner];
    return (
        <li className={styles.file}>
            {manner === "image" ? <img ref={picture} alt="" /> : <span className={styles.icon}><Icon size={22} /></span>}
            <span className={styles.about}><b dir="auto">{file.name}</b><span>{fileSize(file.size, language, words)}</span></span>
            <button type="button" className={styles.remove} aria-label={words.removeFile(file.name)} title={words.removeFile(file.name)} onClick={onRemove}><X size={16} /></button>
        </li>
    );
}
