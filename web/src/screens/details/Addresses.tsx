import { Star, Trash2 } from "lucide-react";
import { useEffect, useState } from "react";
import type { ReactNode, SyntheticEvent } from "react";
import { Button, IconButton } from "../../components/Button";
import { Field } from "../../components/Field";
import { Note } from "../../components/Page";
import { aliasOf } from "../../session/addresses";
import { useSession } from "../../session/use";
import type { RoomInfo } from "../../store/details";
import { useStrings } from "../../strings";
import { useDeed } from "../useDeed";
import styles from "./Details.module.css";

/** The names by which a room is found on this server. */
export function Addresses({ info }: { info: RoomInfo }): ReactNode {
    const { governing, finding } = useSession();
    const strings = useStrings().groups;
    const words = strings.settings;
    const { busy, problem, act } = useDeed();
    const [aliases, setAliases] = useState<string[]>([]);
    const [typed, setTyped] = useState("");
    useEffect(() => {
        let here = true;
        governing.aliases(info.id).then((found) => here && setAliases(found), (error: unknown) => console.warn("the addresses did not come", error));
        return () => {
            here = false;
        };
    }, [governing, info.id]);
    const load = async (): Promise<void> => setAliases(await governing.aliases(info.id));
    const all = [...new Set([...(info.alias ? [info.alias] : []), ...aliases])];
    const add = (event: SyntheticEvent): void => {
        event.preventDefault();
        act(async () => {
            await governing.addAlias(info.id, aliasOf(typed), !info.alias && info.may.alias);
            await load();
        }, () => setTyped(""));
    };
    if (all.length === 0 && !info.may.alias) return null;
    return (
        <section className={styles.part}>
            <h3>{words.addresses}</h3>
            <p className={styles.lead}>{all.length === 0 ? words.addressesNone : words.addressesLead}</p>
            {all.map((alias) => (
                <div key={alias} className={styles.address}>
                    <span dir="ltr">{alias}</span>
                    {alias === info.alias ? <span className={styles.badge}>{words.mainAddress}</span>
                    : info.may.alias && <IconButton label={words.makeMain(alias)} disabled={busy} onClick={() => act(() => governing.mainAlias(info.id, alias))}><Star size={18} /></IconButton>}
                    {info.may.alias && aliases.includes(alias) && (
                        <IconButton label={words.removeAddress(alias)} disabled={busy} onClick={() => act(async () => { await governing.removeAlias(info.id, alias); await load(); })}><Trash2 size={18} /></IconButton>
                    )}
                </div>
            ))}
            {problem && <Note look="bad">{problem}</Note>}
            {info.may.alias && (
                <form className={styles.form} onSubmit={add}>
                    <Field label={words.newAddress} before="#" after={`:${finding.ownServer}`} value={typed} onChange={(event) => setTyped(event.target.value)} autoComplete="off" autoCapitalize="none" spellCheck={false} maxLength={100} />
                    <Button type="submit" busy={busy} disabled={!aliasOf(typed)}>{words.addAddress}</Button>
                </form>
            )}
        </section>
    );
}
