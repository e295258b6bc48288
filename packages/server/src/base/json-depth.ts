// Depth of JSON, before it is parsed.

const [QUOTE, BACKSLASH] = [0x22, 0x5c];

/** Of JSON, or of what claims to be some. Strings are skipped, whatever is in them. */
export function isDeeperThan(bytes: Buffer, levels: number): boolean {
  let depth = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    // `[` and `{`, `]` and `}` differ in that one bit.
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

/** Where the string ends that begins at `from`; -1: nowhere. */
function endOfString(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(QUOTE, from + 1); at >= 0; at = bytes.indexOf(QUOTE, at + 1)) {
    let before = at;
    while (bytes[before - 1] === BACKSLASH) before -= 1;
    // An even number of them escapes each other.
    if ((at - before) % 2 === 0) return at;
  }
  return -1;
}
