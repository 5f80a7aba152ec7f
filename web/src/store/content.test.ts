import { expect, test } from "vitest";
import { eventLink, targetOf } from "./addresses";
import { contentOf, editOf, relationOf, typedOf } from "./content";
import { htmlOf } from "./markdown";

test.each([
    ["plain text", ""],
    ["two\nlines & <tags>", ""],
    ["a paragraph\n\nand another", ""],
    ["**bold** and *italic*", "<strong>bold</strong> and <em>italic</em>"],
    ["~~gone~~", "<del>gone</del>"],
    ["`<b>`", "<code>&lt;b&gt;</code>"],
    ["<b>typed</b> *HTML*", "&#60;b&#62;typed&#60;/b&#62; <em>HTML</em>"],
    ["||the end||", "<span data-mx-spoiler>the end</span>"],
    ["![x](https://example.org/x.png) *a*", "![x](https://example.org/x.png) <em>a</em>"],
    ["see @bob:house.example", "see <a href=\"https://matrix.to/#/%40bob%3Ahouse.example\">@bob:house.example</a>"],
    ["    not code", ""],
    ["- one\n- two", "<ul>\n<li>one</li>\n<li>two</li>\n</ul>"],
])("%j as HTML", (text, want) => {
    expect(htmlOf(text, [])).toBe(want);
});

test("who is named is told, and linked", async () => {
    const content = await contentOf("Hello @Anna B, and @room", [{ text: "@Anna B", user: "@anna:x" }, { text: "@Carl", user: "@carl:x" }], ["@dora:x"]);
    expect(content).toEqual({
        msgtype: "m.text", body: "Hello @Anna B, and @room", format: "org.matrix.custom.html",
        formatted_body: "Hello <a href=\"https://matrix.to/#/%40anna%3Ax\">@Anna B</a>, and @room", "m.mentions": { user_ids: ["@dora:x", "@anna:x"], room: true },
    });
});

test("an edit tells only who was not told before, and what was typed comes back", async () => {
    const content = await contentOf("/me waves to @Anna ||secretly||", [{ text: "@Anna", user: "@anna:x" }]);
    expect(content.msgtype).toBe("m.emote");
    expect(content.body).toBe("waves to @Anna [Spoiler]");
    const edit = editOf(content, "$one", ["@anna:x"]);
    expect(edit["m.mentions"]).toEqual({});
    expect(edit["m.relates_to"]).toEqual({ rel_type: "m.replace", event_id: "$one" });
    expect(typedOf(content.body, content.formatted_body ?? "", "did")).toEqual({ text: "/me waves to @Anna ||secretly||", mentions: [{ text: "@Anna", user: "@anna:x" }] });
});

test("what is said in a thread falls back for who has none; an answer does not", () => {
    expect(relationOf(undefined, undefined, undefined)).toBeUndefined();
    expect(relationOf(undefined, "$a", undefined)).toEqual({ "m.in_reply_to": { event_id: "$a" } });
    expect(relationOf("$root", undefined, "$last")).toEqual({ rel_type: "m.thread", event_id: "$root", is_falling_back: true, "m.in_reply_to": { event_id: "$last" } });
    expect(relationOf("$root", "$a", "$last")).toMatchObject({ is_falling_back: false, "m.in_reply_to": { event_id: "$a" } });
});

test.each([
    ["https://matrix.to/#/%40bob%3Ax.example", { to: "user", user: "@bob:x.example" }],
    ["https://matrix.to/#/#garden:x.example?via=y", { to: "room", room: "#garden:x.example", via: ["y"] }],
    ["matrix:u/bob:x.example", { to: "user", user: "@bob:x.example" }],
    ["matrix:roomid/abc:x/e/one?via=y", { to: "event", room: "!abc:x", event: "$one", via: ["y"] }],
    [eventLink("!abc:x", "$one", ["y"]), { to: "event", room: "!abc:x", event: "$one", via: ["y"] }],
    ["https://house.example/room/!abc?event=%24one", { to: "event", room: "!abc", event: "$one", via: [] }],
    ["https://example.org/", undefined],
    ["javascript:alert(1)", undefined],
])("%s points at", (href, want) => {
    expect(targetOf(href, "https://house.example")).toEqual(want);
});
