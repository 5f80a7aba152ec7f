import { describe, expect, test } from "vitest";
import { packOf } from "./packs";

const images = { pear: { url: "mxc://house.example/abc", body: "a pear" }, plum: { url: "mxc://house.example/def" }, bad: { url: "https://evil.example/x" }, none: 7 };

describe("packOf", () => {
    test("images by their descriptions, or else their short names; nothing from elsewhere", () => {
        expect(packOf({ images, pack: { display_name: "Fruit" } }, "Garden", "k", false)).toMatchObject({
            name: "Fruit", images: [{ shortcode: "pear", name: "a pear" }, { shortcode: "plum", name: "plum" }],
        });
    });
    test("what is for use in texts only is none", () => {
        expect(packOf({ images, pack: { usage: ["emoticon"] } }, "Garden", "k", false)).toBeUndefined();
        expect(packOf({ images, pack: { usage: [] } }, "Garden", "k", false)?.name).toBe("Garden");
    });
    test("nonsense is an empty one", () => {
        expect(packOf("?", "Garden", "k", false)?.images).toEqual([]);
    });
});
