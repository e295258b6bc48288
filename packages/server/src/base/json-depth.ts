// JSON from clients, parsed only if it is not nested too deep.

/**
 * Maximum nesting of JSON from clients; real messages have fewer than ten levels. Millions of open brackets would cost
 * seconds of parsing and garbage collection.
 */
export const MAX_JSON_DEPTH = 100;

/** Parses JSON. Throws a SyntaxError also for JSON that is nested deeper than `MAX_JSON_DEPTH`. */
export function parseShallowJson(bytes: Buffer): unknown {
  if (isDeeperThan(bytes, MAX_JSON_DEPTH)) throw new SyntaxError(`nested deeper than ${MAX_JSON_DEPTH} levels`);
  return JSON.parse(bytes.toString());
}

const [QUOTE, BACKSLASH] = [0x22, 0x5c];

/** Returns whether `bytes` nest deeper than `levels`. Accepts invalid JSON, and skips the content of strings. */
export function isDeeperThan(bytes: Buffer, levels: number): boolean {
  let depth = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    // `[` and `{`, as well as `]` and `}`, differ in that one bit.
    const bracket = (byte ?? 0) | 0x20;
    if (bracket === 0x7b) {
      depth += 1;
      if (depth > levels) return true;
    } else if (bracket === 0x7d) depth -= 1;
    else if (byte === QUOTE) {
      at = endOfString(bytes, at);
      if (at < 0) return false;
    }
  }
  return false;
}

/** Returns the index of the quote that ends the string from `from`; -1 without one. */
function endOfString(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(QUOTE, from + 1); at >= 0; at = bytes.indexOf(QUOTE, at + 1)) {
    let before = at;
    while (bytes[before - 1] === BACKSLASH) before -= 1;
    // An even number of backslashes escape each other.
    if ((at - before) % 2 === 0) return at;
  }
  return -1;
}
