// Measures a JSON text before it is parsed: a megabyte of `[]` becomes many megabytes of objects, and blocks the event
// loop. Judges nothing else; invalid JSON has a size, too.

export interface JsonSize {
  /** Upper bound of the number of values: an empty list or object counts twice. */
  readonly values: number;
  /** Number of keys of all objects. */
  readonly keys: number;
  /** Maximum nesting of lists and objects. */
  readonly depth: number;
}

const QUOTE = 34;
const COMMA = 44;
const COLON = 58;
const LIST = 91;
const BACKSLASH = 92;
const LIST_END = 93;
const OBJECT = 123;
const OBJECT_END = 125;

/** Counts until a limit in `most` is exceeded. */
export function sizeOf(json: string, most: JsonSize): JsonSize {
  let values = 1;
  let keys = 0;
  let level = 0;
  let depth = 0;
  for (let at = 0; at < json.length; at++) {
    switch (json.charCodeAt(at)) {
      case QUOTE:
        at = endOfText(json, at);
        break;
      case COLON:
        keys += 1;
        break;
      case COMMA:
        values += 1;
        break;
      case LIST:
      case OBJECT:
        values += 1;
        level += 1;
        depth = Math.max(depth, level);
        break;
      case LIST_END:
      case OBJECT_END:
        level -= 1;
        break;
    }
    if (values > most.values || keys > most.keys || depth > most.depth) break;
  }
  return { values, keys, depth };
}

/** Returns the index of the closing quote. */
function endOfText(json: string, start: number): number {
  let end = start;
  for (;;) {
    end = json.indexOf('"', end + 1);
    if (end < 0) return json.length;
    let slashes = 0;
    while (json.charCodeAt(end - 1 - slashes) === BACKSLASH) slashes += 1;
    if (slashes % 2 === 0) return end;
  }
}
