import { ReceiptType } from "matrix-js-sdk";
import type { MatrixClient } from "matrix-js-sdk";
import { readData } from "./accountData";

/** What others learn of the person; each is so unless the person has said otherwise. */
export interface Discretion {
    receipts: boolean; // others see what has been read
    typing: boolean; // others see that something is being written
    presence: boolean; // others see whether the person is there
}

export const discretionType = "org.freehold.privacy";

export function discretionOf(client: MatrixClient): Discretion {
    const content = readData(client, discretionType) ?? {};
    return { receipts: content.receipts !== false, typing: content.typing !== false, presence: content.presence !== false };
}

/** How it is said that something has been read. */
export const receiptOf = (client: MatrixClient): ReceiptType => (discretionOf(client).receipts ? ReceiptType.Read : ReceiptType.ReadPrivate);
