import { lazy, Suspense } from "react";
import type { ReactNode } from "react";
import { Linked } from "../../../components/Linked";
import { plainText } from "../../../store/plain";

const Html = lazy(() => import("./Html").then((file) => ({ default: file.Html })));

interface SaidProps {
    text: string;
    html: string; // as received; "": it is not formatted
}

/** Text of a message, formatted if it was sent so. */
export function Said({ text, html }: SaidProps): ReactNode {
    return html ? <Suspense fallback={<Plain text={text} html={html} />}><Html html={html} /></Suspense> : <Linked text={text} />;
}

/** While the code that shows formatted text is coming. */
const Plain = ({ text, html }: SaidProps): ReactNode => <Linked text={plainText(html, text)} />;
