import type { MatrixClient } from "matrix-js-sdk";

// The SDK knows the types of account data by name; ours and new ones it does not.

export const readData = (client: MatrixClient, type: string): Record<string, unknown> | undefined =>
    (client.getAccountData as (type: string) => ReturnType<MatrixClient["getAccountData"]>).call(client, type)?.getContent();

export async function writeData(client: MatrixClient, type: string, content: object): Promise<void> {
    await (client.setAccountData as (type: string, content: object) => Promise<unknown>).call(client, type, content);
}
