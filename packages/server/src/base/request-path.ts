// Parsing of request targets.

/** The path of a request target, without the query. */
export const pathOf = (target: string | undefined): string => (target ?? '/').split('?', 1)[0] ?? '/';
