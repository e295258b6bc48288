// Reads the ticket out of a login link. Pure.

/** The ticket in a login link, in its fragment alone, or as it is. Undefined when there is none. */
export function ticketIn(text: string): string | undefined {
  const match = /(?:^|#|&)ticket=([^&\s]+)/.exec(text.trim());
  if (match?.[1] !== undefined) return decode(match[1]);
  return /^[A-Za-z0-9._~-]{8,200}$/.test(text.trim()) ? text.trim() : undefined;
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined; // a broken escape: there is no ticket in this
  }
}
