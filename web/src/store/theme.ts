import { kept } from "./kept";

export type Theme = "system" | "light" | "dark";
export type TextSize = "normal" | "small" | "large" | "larger";
export type Density = "roomy" | "compact";

// How the app looks on this device. tokens.css says what each choice means.
export const theme = kept<Theme>("theme", ["system", "light", "dark"]);
export const textSize = kept<TextSize>("text", ["normal", "small", "large", "larger"]);
export const density = kept<Density>("density", ["roomy", "compact"]);

const apply = (): void => {
    const marks = document.documentElement.dataset;
    if (theme.get() === "system") delete marks.theme;
    else marks.theme = theme.get();
    marks.text = textSize.get();
    marks.density = density.get();
};
for (const value of [theme, textSize, density]) value.subscribe(apply);
apply();
