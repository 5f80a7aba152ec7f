import DOMPurify from "dompurify";
import { withoutStyle } from "../../../store/inert";

// https://spec.matrix.org/v1.18/client-server-api/#mroommessage-msgtypes: what may be shown, and nothing else.
const tags = [
    "del", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "p", "a", "ul", "ol", "sup", "sub", "li", "b", "i", "u", "strong", "em", "s", "code",
    "hr", "br", "div", "table", "thead", "tbody", "tr", "th", "td", "caption", "pre", "span", "img", "details", "summary",
];
const attributes = ["data-mx-bg-color", "data-mx-color", "data-mx-spoiler", "data-mx-maths", "href", "alt", "title", "start", "class"];
const addresses = /^(?:https?|ftp|mailto|magnet|matrix):/i;

/** A tree of what may be shown of received HTML. It is inert: nothing of it is loaded or run, and it never gets into the page. */
export function sanitise(html: string): DocumentFragment {
    return DOMPurify.sanitize(withoutStyle(html.replace(/<mx-reply>[\s\S]*<\/mx-reply>/gi, "")), {
        ALLOWED_TAGS: tags, ALLOWED_ATTR: attributes, ALLOW_DATA_ATTR: false, ALLOW_ARIA_ATTR: false, ALLOWED_URI_REGEXP: addresses, ADD_URI_SAFE_ATTR: attributes.filter((name) => name !== "href"), RETURN_DOM_FRAGMENT: true,
    });
}
