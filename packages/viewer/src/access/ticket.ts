// Extracts the ticket from a login link. Pure.

/** Returns the ticket of a login link, from its fragment only, or a bare ticket. Undefined if there is none. */
export function ticketIn(text: string): string | undefined {
  const match = /(?:^|#|&)ticket=([^&\s]+)/.exec(text.trim());
  if (match?.[1] !== undefined) return decode(match[1]);
  return /^[A-Za-z0-9._~-]{8,200}$/.test(text.trim()) ? text.trim() : undefined;
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined; // a broken escape contains no ticket
  }
}
