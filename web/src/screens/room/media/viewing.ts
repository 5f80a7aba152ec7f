import { Value } from "../../../store/value";

/** The message whose picture is looked at; undefined: none. */
export const viewed = new Value<string | undefined>(undefined);

export const view = (id: string | undefined): void => viewed.set(id);
