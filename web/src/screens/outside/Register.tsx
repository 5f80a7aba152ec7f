import { useEffect, useState } from "react";
import type { ReactNode } from "react";
import { Button } from "../../components/Button";
import { Note, Page } from "../../components/Page";
import { isValid, ownServer, register } from "../../session/entry";
import { useStrings } from "../../strings";
import { NewAccount } from "./NewAccount";
import styles from "./Outside.module.css";
import { toSignIn } from "./Outside";
import type { EntryProps } from "./Outside";

/** A new account, by an invitation link or as the server allows. */
export function Register({ server, token, onEnter }: EntryProps & { token: string }): ReactNode {
    const words = useStrings().outside;
    const joining = useStrings().groups.joining;
    const [spent, setSpent] = useState(false);
    useEffect(() => {
        if (token) void isValid(ownServer(), token).then((valid) => setSpent(!valid));
    }, [token]);
    const make = async (name: string, password: string, typed: string): Promise<void> => {
        onEnter(await register(ownServer(), name, password, token || typed), password);
    };
    return (
        <Page title={token ? joining.title : words.registerTitle} lead={token ? joining.lead(server.server_name) : words.registerLead(server.server_name)} foot={words.privacy}>
            {spent && <Note look="warn">{joining.spent}</Note>}
            <NewAccount server={server} askToken={!token && server.registration === "token"} label={words.register} make={make}>
                <Button className={styles.other} onClick={toSignIn}>{words.toSignIn}</Button>
            </NewAccount>
        </Page>
    );
}
