import type { ReactNode } from "react";
import { Button } from "../../components/Button";
import { Page } from "../../components/Page";
import { ownServer, setUp, signIn } from "../../session/entry";
import { useStrings } from "../../strings";
import { NewAccount } from "./NewAccount";
import { toSignIn } from "./Outside";
import type { EntryProps } from "./Outside";

/** The first account, by the link that the server has printed. */
export function SetUp({ server, token, onEnter }: EntryProps & { token: string }): ReactNode {
    const words = useStrings().outside;
    if (!server.first || !token) {
        return (
            <Page title={words.closedTitle} lead={words.closedLead}>
                {!server.first && <Button wide onClick={toSignIn}>{words.signIn}</Button>}
            </Page>
        );
    }
    const make = async (name: string, password: string): Promise<void> => {
        await setUp(ownServer(), token, name, password);
        onEnter(await signIn(ownServer(), name, password), password);
    };
    return (
        <Page title={words.setUpTitle} lead={words.setUpLead} foot={words.privacy}>
            <NewAccount server={server} askToken={false} label={words.register} make={make} />
        </Page>
    );
}
