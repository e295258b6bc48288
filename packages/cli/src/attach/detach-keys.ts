// The keys that detach a terminal, found in what is typed. Knows no terminal and no session.

import { usage } from '../output/failure.ts';

/** As dtach, abduco and zmx have it; programs rarely use it, and pressing it by mistake does no harm. */
export const DEFAULT_DETACH_KEYS = 'ctrl-\\';

export interface Typed {
  /** What goes on to the program. */
  readonly bytes: Uint8Array;
  readonly detached: boolean;
}

/**
 * Reads keys such as `ctrl-\`, `ctrl-p ctrl-q` or `ctrl-] d`; `none` gives undefined. Each key is a list of what
 * terminals send for it.
 */
export function parseKeys(text: string): readonly (readonly string[])[] | undefined {
  if (text === 'none') return undefined;
  const keys = text
    .trim()
    .split(/[\s,]+/)
    .map(encodings);
  if (keys.length > 4) throw usage('At most four detach keys make a sequence.');
  return keys;
}

function encodings(key: string): readonly string[] {
  const control = /^(?:ctrl-|\^)(.)$/i.exec(key)?.[1]?.toLowerCase();
  if (control !== undefined) {
    const at = '@abcdefghijklmnopqrstuvwxyz[\\]^_'.indexOf(control);
    if (at < 0) throw usage(`"${key}" is not a key.`, KEY_HINT);
    const code = control.charCodeAt(0);
    // Full-screen programs switch the keyboard to CSI u (kitty) or to modifyOtherKeys; with those on, the
    // terminal sends the key in that form. 5 = 1 + ctrl; a lock key that is on adds to it, which is not met here.
    return [String.fromCharCode(at), `\x1b[${code};5u`, `\x1b[${code};5:1u`, `\x1b[27;5;${code}~`];
  }
  if (/^[\x21-\x7e]$/.test(key)) return [key];
  throw usage(`"${key}" is not a key.`, KEY_HINT);
}

const KEY_HINT = 'Write ctrl-\\, or a sequence such as "ctrl-p ctrl-q", or none.';

/** Looks for the keys in what is typed, and holds back the beginning of a sequence until it is clear. */
export class DetachKeys {
  readonly #keys: readonly (readonly string[])[] | undefined;
  #held = '';

  constructor(keys: readonly (readonly string[])[] | undefined) {
    this.#keys = keys;
  }

  push(chunk: Uint8Array): Typed {
    if (this.#keys === undefined) return { bytes: chunk, detached: false };
    const text = this.#held + Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).toString('latin1');
    for (let at = 0; at < text.length; at++) {
      const found = match(text.slice(at), this.#keys);
      if (found === 'no') continue;
      this.#held = found === 'partly' ? text.slice(at) : '';
      return { bytes: Buffer.from(text.slice(0, at), 'latin1'), detached: found === 'yes' };
    }
    this.#held = '';
    return { bytes: Buffer.from(text, 'latin1'), detached: false };
  }

  /** What is held when nothing follows. */
  end(): Uint8Array {
    const held = this.#held;
    this.#held = '';
    return Buffer.from(held, 'latin1');
  }
}

/** `partly` only where a whole key is there already: a lone ESC must go through at once. */
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
