// Untrusted JSON with only one possible interpretation: no duplicate keys, no keys of prototypes, no invalid UTF-8,
// limited depth.

export interface JsonBounds {
  readonly maxBytes: number;
  readonly maxDepth: number;
}

const CLOSED = new Set(['__proto__', 'constructor', 'prototype']);

/** Parses JSON. `wrong`: the error, for people, without a full stop. */
export function readStrictJson(
  bytes: Uint8Array,
  bounds: JsonBounds,
): { readonly value: unknown } | { readonly wrong: string } {
  if (bytes.length > bounds.maxBytes) return { wrong: `it has ${bytes.length} bytes; ${bounds.maxBytes} are taken` };
  let text: string;
  try {
    // The decoder removes a byte order mark, which some editors write.
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return { wrong: 'it is not UTF-8' };
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { wrong: `it is not JSON: ${error instanceof Error ? error.message.slice(0, 200) : ''}` };
  }
  const wrong = oddity(text, bounds.maxDepth);
  return wrong === undefined ? { value } : { wrong };
}

/** Returns the first error. `text` is valid JSON, so only strings, brackets and commas matter. */
function oddity(text: string, maxDepth: number): string | undefined {
  /** The keys of each open object; undefined for a list. */
  const open: (Set<string> | undefined)[] = [];
  let isKey = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (char === '"') {
      const end = stringEnd(text, at);
      const keys = open.at(-1);
      if (isKey && keys !== undefined) {
        const key = String(JSON.parse(text.slice(at, end)));
        if (CLOSED.has(key)) return `it has a key "${key}"`;
        if (keys.has(key)) return `it has the key ${JSON.stringify(key.slice(0, 100))} twice`;
        keys.add(key);
        isKey = false;
      }
      at = end - 1;
    } else if (char === '{' || char === '[') {
      open.push(char === '{' ? new Set() : undefined);
      isKey = char === '{';
      if (open.length > maxDepth) return `it is nested deeper than ${maxDepth}`;
    } else if (char === '}' || char === ']') {
      open.pop();
      isKey = false;
    } else if (char === ',') {
      isKey = open.at(-1) !== undefined;
    }
  }
  return undefined;
}

/** Returns the index after the string that begins at `at`. */
function stringEnd(text: string, at: number): number {
  let end = at + 1;
  while (end < text.length && text[end] !== '"') end += text[end] === '\\' ? 2 : 1;
  return end + 1;
}
