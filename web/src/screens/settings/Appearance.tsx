import type { ReactNode } from "react";
import { Choice } from "../../components/Choice";
import { density, textSize, theme } from "../../store/theme";
import { useValue } from "../../store/value";
import { chooseLanguage, languages, useLanguage, useStrings } from "../../strings";
import { Part } from "./parts";

/** How the app looks on this device, and its language. */
export function Appearance(): ReactNode {
    const strings = useStrings();
    const words = strings.own.appearance;
    const { system, light, dark } = strings.menu;
    const language = useLanguage();
    return (
        <>
            <Part><Choice label={words.theme} value={useValue(theme)} options={{ system, light, dark }} onChoose={(chosen) => theme.set(chosen)} /></Part>
            <Part>
                <Choice
                    label={words.size} value={useValue(textSize)} onChoose={(chosen) => textSize.set(chosen)}
                    options={{ small: words.sizes.small, normal: words.sizes.normal, large: words.sizes.large, larger: words.sizes.larger }}
                />
            </Part>
            <Part><Choice label={words.density} value={useValue(density)} options={words.densities} hints={words.densityHints} onChoose={(chosen) => density.set(chosen)} /></Part>
            <Part><Choice label={words.language} value={language} options={languages} onChoose={(chosen) => void chooseLanguage(chosen)} /></Part>
        </>
    );
}
