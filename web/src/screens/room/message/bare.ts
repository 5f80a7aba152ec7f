const fewEmoji = new RegExp("^(?:\\p{RGI_Emoji}\\s*){1,5}$", "v");

/** Whether a text is nothing but a few emoji: they are shown large. */
export const isBare = (text: string): boolean => text.length <= 80 && fewEmoji.test(text);
