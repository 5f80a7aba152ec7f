import { ArrowLeft } from "lucide-react";
import { useEffect, useState } from "react";
import type { ReactNode } from "react";
import { IconButton } from "../../components/Button";
import { Waiting } from "../../components/Page";
import type { Person as Known } from "../../session/people";
import { useSession } from "../../session/use";
import { go, homePath } from "../../store/place";
import { useStrings } from "../../strings";
import find from "../find/Find.module.css";
import { PersonCard } from "./PersonCard";

/** Somebody by a link that was passed on. */
export default function Person({ user }: { user: string }): ReactNode {
    const { people } = useSession();
    const words = useStrings();
    const [known, setKnown] = useState<Known | "nobody">();
    useEffect(() => {
        let there = true;
        people.profile(user).then((found) => there && setKnown(found), () => there && setKnown("nobody"));
        return () => {
            there = false;
        };
    }, [people, user]);
    return (
        <>
            <header className={find.head}>
                <IconButton label={words.room.back} className={find.back} onClick={() => go(homePath)}><ArrowLeft size={22} /></IconButton>
                <h1>{words.groups.member.title}</h1>
            </header>
            <div className={find.page}>
                {known === undefined ? <Waiting label={words.groups.loading} />
                : known === "nobody" ? <p className={find.none}>{words.create.nobody}</p>
                : <div className={find.card}><PersonCard user={known.id} name={known.name} picture={known.picture ?? ""} here="" /></div>}
            </div>
        </>
    );
}
