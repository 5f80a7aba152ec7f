import { Camera, Check, Copy } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import type { ReactNode, SyntheticEvent } from "react";
import { Avatar } from "../../components/Avatar";
import { Button } from "../../components/Button";
import { Field } from "../../components/Field";
import { Note } from "../../components/Page";
import { usePicture } from "../../session/media/use";
import { useSession } from "../../session/use";
import { useValue } from "../../store/value";
import { useStrings } from "../../strings";
import { Buttons, Failed, Part } from "./parts";
import styles from "./Settings.module.css";
import { useAct } from "./useAct";

/** Name, picture, address. */
export function Profile(): ReactNode {
    const { own, account } = useSession();
    const profile = useValue(own.profile);
    const words = useStrings().own.profile;
    useEffect(() => void own.load().catch(() => undefined), [own]);
    const [copied, setCopied] = useState(false);
    return (
        <>
            <Part title={undefined} lead={words.lead}>
                <Picture key={profile?.picture} picture={profile?.picture ?? ""} name={profile?.name ?? account.user} />
                {profile && <Name key={profile.name} name={profile.name} />}
            </Part>
            <Part title={words.address} lead={words.addressHint}>
                <p dir="ltr" className={styles.about}><b>{account.user}</b></p>
                <Buttons>
                    <Button onClick={() => void navigator.clipboard.writeText(account.user).then(() => setCopied(true))}>
                        {copied ? <Check size={18} /> : <Copy size={18} />}{words.copy}
                    </Button>
                </Buttons>
            </Part>
        </>
    );
}

function Name({ name }: { name: string }): ReactNode {
    const { own } = useSession();
    const strings = useStrings().own;
    const words = strings.profile;
    const [typed, setTyped] = useState(name);
    const { busy, failed, run } = useAct();
    const submit = (event: SyntheticEvent): void => {
        event.preventDefault();
        void run(() => own.setName(typed.trim()));
    };
    return (
        <form className={styles.form} onSubmit={submit}>
            <Field label={words.name} hint={words.nameHint} value={typed} onChange={(e) => setTyped(e.target.value)} required maxLength={100} autoComplete="name" dir="auto" />
            <Failed when={failed} />
            <Button type="submit" look="main" busy={busy} disabled={!typed.trim() || typed.trim() === name}>{strings.settings.save}</Button>
        </form>
    );
}

function Picture({ picture, name }: { picture: string; name: string }): ReactNode {
    const { own, account } = useSession();
    const words = useStrings().own.profile;
    const input = useRef<HTMLInputElement>(null);
    const { busy, failed, run } = useAct();
    const shown = usePicture(picture, 80);
    const chosen = (file: File | undefined): void => {
        if (file) void run(() => own.setPicture(file));
    };
    return (
        <>
            <div className={styles.top}>
                <Avatar id={account.user} name={name} size="large" picture={shown} />
                <Buttons>
                    <input ref={input} type="file" accept="image/*" hidden aria-hidden="true" onChange={(e) => chosen(e.target.files?.[0])} />
                    <Button busy={busy} onClick={() => input.current?.click()}><Camera size={18} />{picture ? words.otherPicture : words.picture}</Button>
                    {picture && <Button disabled={busy} onClick={() => void run(() => own.setPicture(undefined))}>{words.noPicture}</Button>}
                </Buttons>
            </div>
            {failed && <Note look="bad">{words.badPicture}</Note>}
        </>
    );
}
