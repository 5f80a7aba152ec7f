import { expect, test } from "vitest";
import { contentOf } from "./content";
import { plainOf, plainText } from "./plain";

test.each([
    ["<strong>bold</strong> and <em>it</em>", "bold and it"],
    ["one<br>two<br/>three", "one\ntwo\nthree"],
    ["<p>one\n line</p>\n<p>another</p>", "one line\nanother"],
    ["Yes:\n<ul>\n<li>beans</li>\n<li>peas\n<ol start=\"3\"><li>green</li><li>dry</li></ol></li>\n</ul>", "Yes:\n• beans\n• peas\n3. green\n4. dry"],
    ["<ol>\n<li><p>beans</p>\n<p>runner</p></li>\n<li><p>peas</p></li>\n</ol>", "1. beans\nrunner\n2. peas"],
    ["<pre><code>if x:\n    y()\n</code></pre>", "if x:\ny()"],
    ["<mx-reply><blockquote>what was said</blockquote></mx-reply>the answer", "the answer"],
    ["it is <span data-mx-spoiler=\"the end\">the gardener</span>!", "it is ▒▒▒▒▒!"],
    ["<a href=\"https://matrix.to/#/@anna:x\">Anna</a> &lt;3 <img src=\"mxc://x/y\" alt=\":heart:\">", "Anna <3 :heart:"],
    ["<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>", "a b\n1 2"],
    ["<script>alert(1)</script><style>p { }</style>said<template>kept</template>", "said"],
    ["<img src=x onerror=\"document.title='run'\">", "the body"],
    ["", "the body"],
])("%j is %j", (html, want) => {
    expect(plainText(html, "the body")).toBe(want);
});

test("nothing of it is run, and it does not grow beyond its bound", () => {
    document.title = "before";
    plainText("<img src=x onerror=\"document.title='run'\"><script>document.title = 'run'</script>", "");
    expect(document.title).toBe("before");
    expect(plainText(`<b>${"x".repeat(60_000)}</b>`, "")).toHaveLength(4000);
    expect(plainText(`${"<b>".repeat(400)}deep`, "")).toBe("deep");
});

test("what is typed with marks is shown without them", async () => {
    const { body, formatted_body: html } = await contentOf("Yes, **six** of them, and `basil` ||secretly||:\n\n- by the wall\n- along the path", []);
    const gist = { is: "text", text: body, html: html!, manner: "said" } as const;
    expect(plainOf(gist)).toBe("Yes, six of them, and basil ▒▒▒▒▒:\n• by the wall\n• along the path");
    expect(plainOf({ ...gist, html: "" })).toBe(body);
});
