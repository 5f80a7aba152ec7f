import { EllipsisVertical, LogOut, MonitorSmartphone, PencilLine, ShieldAlert, ShieldCheck, ShieldOff } from "lucide-react";
import { useEffect, useState } from "react";
import type { ReactNode, SyntheticEvent } from "react";
import { Button, IconButton } from "../../components/Button";
import { Dialog, DialogEnd, DialogText } from "../../components/Dialog";
import { Field } from "../../components/Field";
import { Menu, MenuItem } from "../../components/Menu";
import type { OwnDevice } from "../../session/devices";
import { useSession } from "../../session/use";
import { useValue } from "../../store/value";
import { useLanguage, useStrings } from "../../strings";
import { dated } from "../../strings/dates";
import { Buttons, Failed, Part } from "./parts";
import styles from "./Settings.module.css";
import { useAct } from "./useAct";

/** Where the account is signed in. */
export function Devices(): ReactNode {
    const { devices } = useSession();
    const all = useValue(devices.all);
    const strings = useStrings();
    const words = strings.own.devices;
    const { busy, failed, run } = useAct();
    const [removing, setRemoving] = useState<OwnDevice[]>();
    const [renaming, setRenaming] = useState<OwnDevice>();
    useEffect(() => void run(() => devices.load()), [devices, run]);
    const remove = (chosen: OwnDevice[]): void => {
        setRemoving(undefined);
        void run(() => devices.remove(chosen.map((device) => device.id)));
    };
    const others = all?.filter((device) => !device.current);
    const row = (device: OwnDevice): ReactNode => <Row key={device.id} device={device} onRename={() => setRenaming(device)} onRemove={() => setRemoving([device])} />;
    return (
        <>
            <Failed when={failed} />
            <Part title={words.current}><ul className={styles.rows}>{all?.filter((device) => device.current).map(row)}</ul></Part>
            <Part title={words.others} lead={others?.length === 0 ? words.alone : words.othersLead}>
                <ul className={styles.rows}>{others?.map(row)}</ul>
                {others && others.length > 1 && <Buttons><Button look="bad" onClick={() => setRemoving(others)}>{words.removeAll}</Button></Buttons>}
            </Part>
            {renaming && <Rename device={renaming} onClose={() => setRenaming(undefined)} />}
            {removing && <Remove devices={removing} busy={busy} onClose={() => setRemoving(undefined)} onRemove={() => remove(removing)} />}
        </>
    );
}

const signs = { yes: ShieldCheck, no: ShieldAlert, none: ShieldOff };

function Row({ device, onRename, onRemove }: { device: OwnDevice; onRename: () => void; onRemove: () => void }): ReactNode {
    const { verification } = useSession();
    const words = useStrings().own.devices;
    const language = useLanguage();
    const name = device.name || words.unnamed;
    const Sign = signs[device.verified];
    return (
        <li data-testid="device">
            <span className={styles.sign}><MonitorSmartphone size={20} /></span>
            <div className={styles.about}>
                <b dir="auto">{name}</b>
                <small>{[device.seen > 0 && words.seen(dated(device.seen, language)), device.from && words.from(device.from)].filter(Boolean).join(" ")}</small>
                <small dir="ltr">{device.id}</small>
                <span className={`${styles.state} ${device.verified === "yes" ? styles.good : device.verified === "no" ? styles.poor : ""}`}>
                    <Sign size={15} />{{ yes: words.verified, no: words.unverified, none: words.plain }[device.verified]}
                </span>
                {device.verified === "no" && !device.current && <p className={styles.act}><Button onClick={() => void verification.askDevice(device.id, name)}>{words.verify}</Button></p>}
            </div>
            <Menu trigger={<IconButton label={words.actions(name)}><EllipsisVertical size={20} /></IconButton>}>
                <MenuItem onClick={onRename}><PencilLine size={18} />{words.rename}</MenuItem>
                {!device.current && <MenuItem bad onClick={onRemove}><LogOut size={18} />{words.remove}</MenuItem>}
            </Menu>
        </li>
    );
}

function Rename({ device, onClose }: { device: OwnDevice; onClose: () => void }): ReactNode {
    const { devices } = useSession();
    const strings = useStrings();
    const words = strings.own.devices;
    const [typed, setTyped] = useState(device.name);
    const { busy, failed, run } = useAct();
    const submit = (event: SyntheticEvent): void => {
        event.preventDefault();
        void run(() => devices.rename(device.id, typed.trim()), onClose);
    };
    return (
        <Dialog title={words.rename} onClose={onClose}>
            <form className={styles.form} onSubmit={submit}>
                <Field label={words.name} value={typed} onChange={(e) => setTyped(e.target.value)} required maxLength={100} autoFocus autoComplete="off" dir="auto" />
                <Failed when={failed} />
                <DialogEnd>
                    <Button onClick={onClose}>{strings.create.cancel}</Button>
                    <Button type="submit" look="main" busy={busy}>{strings.own.settings.save}</Button>
                </DialogEnd>
            </form>
        </Dialog>
    );
}

/** Asks before it signs out; the server asks for the password then. */
function Remove({ devices, busy, onClose, onRemove }: { devices: OwnDevice[]; busy: boolean; onClose: () => void; onRemove: () => void }): ReactNode {
    const strings = useStrings();
    const words = strings.own.devices;
    const several = devices.length > 1;
    return (
        <Dialog title={several ? words.removeAllTitle : words.removeTitle} onClose={onClose}>
            <DialogText>{several ? words.removeAllLead(devices.length) : words.removeLead(devices[0]?.name || words.unnamed)}</DialogText>
            <DialogEnd>
                <Button onClick={onClose}>{strings.create.cancel}</Button>
                <Button look="bad" busy={busy} onClick={onRemove}>{several ? words.removeAll : words.remove}</Button>
            </DialogEnd>
        </Dialog>
    );
}
