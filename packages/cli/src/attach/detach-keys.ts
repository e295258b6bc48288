// Detects the keys that detach a terminal in typed input.

import { usage } from '../output/failure.ts';

export interface TypedInput {
  /** Bytes to pass on to the program. */
  readonly bytes: Uint8Array;
  readonly detached: boolean;
}

/**
 * Parses keys such as `ctrl-\`, `ctrl-p ctrl-q` or `ctrl-] d`; `none` gives undefined. Each key is a list of the
 * encodings that terminals send for it.
 */
export function parseKeys(text: string): readonly (readonly string[])[] | undefined {
  if (text === 'none') return undefined;
  const keys = text
    .trim()
    .split(/[\s,]+/)
    .map(encodings);
  if (keys.length > 4) throw usage('A detach sequence has at most four keys.');
  return keys;
}

function encodings(key: string): readonly string[] {
  const control = /^(?:ctrl-|\^)(.)$/i.exec(key)?.[1]?.toLowerCase();
  if (control !== undefined) {
    const at = '@abcdefghijklmnopqrstuvwxyz[\\]^_'.indexOf(control);
    if (at < 0) throw usage(`"${key}" is not a key.`, KEY_HINT);
    const code = control.charCodeAt(0);
    // Full-screen programs switch the keyboard to CSI u (kitty) or to modifyOtherKeys; the terminal then sends the key
    // in that form. 5 = 1 + ctrl; an active lock key adds to the number and is not recognized here.
    return [String.fromCharCode(at), `\x1b[${code};5u`, `\x1b[${code};5:1u`, `\x1b[27;5;${code}~`];
  }
  if (/^[\x21-\x7e]$/.test(key)) return [key];
  throw usage(`"${key}" is not a key.`, KEY_HINT);
}

const KEY_HINT = 'Write ctrl-\\, or a sequence such as "ctrl-p ctrl-q", or none.';

/** Searches typed input for the keys, and holds back the beginning of a sequence until it is decided. */
export class DetachKeys {
  readonly #keys: readonly (readonly string[])[] | undefined;
  #pending = '';

  constructor(keys: readonly (readonly string[])[] | undefined) {
    this.#keys = keys;
  }

  push(chunk: Uint8Array): TypedInput {
    if (this.#keys === undefined) return { bytes: chunk, detached: false };
    const text = this.#pending + Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).toString('latin1');
    for (let at = 0; at < text.length; at++) {
      const found = match(text.slice(at), this.#keys);
      if (found === 'no') continue;
      this.#pending = found === 'partly' ? text.slice(at) : '';
      return { bytes: Buffer.from(text.slice(0, at), 'latin1'), detached: found === 'yes' };
    }
    this.#pending = '';
    return { bytes: Buffer.from(text, 'latin1'), detached: false };
  }

  /** Returns the pending bytes at the end of input. */
  end(): Uint8Array {
    const pending = this.#pending;
    this.#pending = '';
    return Buffer.from(pending, 'latin1');
  }
}

/** Matches the keys. `partly` only after a whole key: a lone ESC must pass through at once. */
function match(text: string, keys: readonly (readonly string[])[]): 'yes' | 'partly' | 'no' {
  let rest = text;
  for (const [index, key] of keys.entries()) {
    if (index > 0 && rest === '') return 'partly';
    const encoding = key.find((candidate) => rest.startsWith(candidate));
    if (encoding === undefined) return 'no';
    rest = rest.slice(encoding.length);
  }
  return 'yes';
}
