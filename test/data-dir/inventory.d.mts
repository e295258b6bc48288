// biome-ignore lint/suspicious/noExplicitAny: it is compared as a whole.
export function inventoryOf(gateway: { readonly url: string; readonly token: string }): Promise<any>;
