import { Value } from "./value";

/** A choice that stays in this browser, also when the account leaves it. The first option is taken until another is chosen. */
export function kept<T extends string>(name: string, options: readonly [T, ...T[]]): Value<T> {
    const place = `freehold.${name}`;
    const saved = localStorage.getItem(place);
    const value = new Value<T>(options.find((option) => option === saved) ?? options[0]);
    value.subscribe(() => localStorage.setItem(place, value.get()));
    return value;
}
