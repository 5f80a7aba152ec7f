/** A name for reading: whoever has set none goes by the address, of which the first part is enough. */
export const plainName = (name: string): string => name.replace(/@([^\s:,]+):[^\s,]+/g, "$1");

/** The server in an address: what is behind its first colon. */
export const serverOf = (address: string): string => (address.includes(":") ? address.slice(address.indexOf(":") + 1) : "");
