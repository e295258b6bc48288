// What of a program's output goes to a person's terminal: when reading (tail) and when history is played again (attach).

import { csiParts, Escapes, stringParts, type Token } from './escapes.ts';

export interface Filter {
  push(chunk: Uint8Array): Uint8Array;
  /** What was held back for a sequence that never ended. */
  end(): Uint8Array;
}

/** Keeps text, line breaks, tabs and colours (SGR); nothing that could move, answer, copy or rename. */
export const plainFilter = (): Filter => filter((token) => isPlain(token));

/**
 * Keeps everything but what has an effect beyond the screen: a program that asked the terminal something an hour ago
 * must not get its answer typed now, the clipboard must not be set again, and the bell must not ring.
 */
export const replayFilter = (): Filter => filter((token) => !actsOutside(token));

function filter(keep: (token: Token) => boolean): Filter {
  const escapes = new Escapes();
  const kept = (tokens: Token[]): Uint8Array => Buffer.concat(tokens.filter(keep).map((token) => token.bytes));
  return {
    push: (chunk) => kept(escapes.feed(chunk)),
    end: () => kept(escapes.end()),
  };
}

const PLAIN_CONTROLS = new Set([0x08, 0x09, 0x0a, 0x0d]); // BS, TAB, LF, CR

function isPlain(token: Token): boolean {
  switch (token.kind) {
    case 'text':
      return true;
    case 'control':
      return token.bytes.length === 1 && PLAIN_CONTROLS.has(token.bytes[0] ?? 0);
    case 'csi': {
      const { parameters, final } = csiParts(token);
      // `CSI > … m` sets keyboard modes and `CSI ? … m` asks for them: only plain numbers are colours.
      return final === 'm' && /^[0-9;:]*$/.test(parameters);
    }
    default:
      return false;
  }
}

function actsOutside(token: Token): boolean {
  switch (token.kind) {
    case 'text':
      return false;
    case 'control':
      return token.bytes[0] === 0x07 || token.bytes[0] === 0x05; // BEL, ENQ
    case 'csi':
      return asks(csiParts(token));
    case 'string': {
      const { starter, content } = stringParts(token);
      if (starter === ']') return /^52;/.test(content) || /^(?:9|99|777);/.test(content) || /;\?/.test(content);
      return starter === 'P' ? /^[0-9;]*[+$]q/.test(content) : starter === '_';
    }
    case 'escape':
      return token.bytes.length === 2 && token.bytes[1] === 0x5a; // DECID
  }
}

/** Device attributes, status, mode, size and keyboard reports. */
function asks({ parameters, final }: { parameters: string; final: string }): boolean {
  if (final === 'c' || final === 'n') return true;
  if (final === 'p') return parameters.endsWith('$');
  if (final === 'q') return parameters.startsWith('>');
  if (final === 'u') return parameters.startsWith('?');
  if (final === 't') return /^(?:1[13-9]|2[01])\b/.test(parameters);
  if (final === 'x' || final === 'y') return true;
  return false;
}
