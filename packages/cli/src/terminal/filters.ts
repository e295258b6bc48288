// Filters of a program's output for a person's terminal: for reading (tail) and for replaying history (attach).

import { csiParts, EscapeTokenizer, sequenceText, stringParts, type Token } from '../output/escapes.ts';

export interface Filter {
  push(chunk: Uint8Array): Uint8Array;
  /** Returns the bytes of a sequence that never ended. */
  end(): Uint8Array;
}

/** Keeps text, line breaks, tabs and colours (SGR); removes all sequences that move, answer, copy or rename. */
export const plainFilter = (): Filter => filter((token) => isPlain(token));

export interface AttachFilter extends Filter {
  /** Ends the history: output from here on is live. A sequence that began in the history is judged as live. */
  goLive(): void;
}

/**
 * Filter for `attach`. History keeps everything without an effect beyond the screen: a terminal query from an hour ago
 * must not type its answer now, the clipboard must not be set again, and the bell must not ring. Live output keeps
 * those, because the person runs the program. Both remove printing, moving or resizing the window, and the private
 * commands of iTerm2 (OSC 1337: files, clipboard, profiles): no session needs them, and anyone who can write into a
 * session could use them against everyone who attaches.
 */
export function attachFilter(toTerminal: boolean): AttachFilter {
  let isLive = false;
  return {
    ...filter((token) =>
      isLive ? !toTerminal || !actsOnDesktop(token) : !actsOnDesktop(token) && !actsOutside(token),
    ),
    goLive: () => {
      isLive = true;
    },
  };
}

function filter(keep: (token: Token) => boolean): Filter {
  const escapes = new EscapeTokenizer();
  let keepsString = false;
  const filtered = (tokens: Token[]): Uint8Array =>
    Buffer.concat(
      tokens.map((token) => {
        const passes = token.continues === true ? keepsString : keep(token);
        keepsString = passes;
        return passes ? token.bytes : controlsInside(token);
      }),
    );
  return {
    push: (chunk) => filtered(escapes.feed(chunk)),
    end: () => filtered(escapes.end()),
  };
}

/** Returns the controls inside a removed sequence: the terminal executes line breaks there, so they stay. */
const controlsInside = ({ kind, bytes }: Token): Uint8Array =>
  kind === 'csi' || kind === 'escape' ? bytes.filter((byte) => PLAIN_CONTROLS.has(byte)) : new Uint8Array();

/** Second byte in UTF-8 of the C1 control that is a query like ESC Z. */
const C1_DECID = 0x9a;
const PLAIN_CONTROLS = new Set([0x08, 0x09, 0x0a, 0x0d]); // BS, TAB, LF, CR

function isPlain(token: Token): boolean {
  switch (token.kind) {
    case 'text':
      return true;
    case 'control':
      return token.bytes.length === 1 && PLAIN_CONTROLS.has(token.bytes[0] ?? 0);
    case 'csi': {
      const { parameters, final } = csiParts(token);
      // `CSI > … m` sets keyboard modes and `CSI ? … m` queries them: only plain numbers are colours.
      return final === 'm' && /^[0-9;:]*$/.test(parameters);
    }
    default:
      return false;
  }
}

/**
 * ESC, intermediate bytes and a final byte. Any other sequence is truncated, and could continue in the following bytes.
 */
const BEHIND_ESCAPE = /^[ -/]*[0-OQ-WYZ\\`-~]$/;

const isComplete = (sequence: string): boolean => sequence.startsWith('\x1b') && BEHIND_ESCAPE.test(sequence.slice(1));

/** Returns true for media copy, window operations except saving titles (22, 23), OSC 1337, and truncated sequences. */
function actsOnDesktop(token: Token): boolean {
  switch (token.kind) {
    case 'text':
    case 'control':
      return false;
    case 'csi': {
      const { parameters, final } = csiParts(token);
      return final === 'i' || (final === 't' && changesWindow(parameters));
    }
    case 'string': {
      const { starter, content } = stringParts(token);
      return starter === ']' && /^0*1337(?:;|$)/.test(content);
    }
    case 'escape':
      return !isComplete(sequenceText(token));
  }
}

/**
 * Returns true for operations that change the window. `CSI > … t` and `CSI … SP t` set features of titles and the bell.
 * 11 and above are queries, 22 and 23 save and restore titles, 24 and above resize.
 */
function changesWindow(parameters: string): boolean {
  if (!/^[0-9;:]*$/.test(parameters)) return false;
  const operation = Number.parseInt(parameters, 10) || 0;
  return operation <= 10 || operation >= 24;
}

function actsOutside(token: Token): boolean {
  switch (token.kind) {
    case 'text':
      return false;
    case 'control': {
      const code = token.bytes.at(-1);
      return code === 0x07 || code === 0x05 || code === C1_DECID; // BEL, ENQ
    }
    case 'csi':
      return asks(csiParts(token));
    case 'string': {
      const { starter, content } = stringParts(token);
      if (starter === ']') return /^0*(?:52|9|99|777);/.test(content) || /;\?/.test(content);
      return starter === 'P' ? /^[0-9;]*[+$]q/.test(content) : starter === '_';
    }
    case 'escape':
      return sequenceText(token) === '\x1bZ'; // DECID
  }
}

/** Returns true for device attributes, and status, mode, size and keyboard reports. */
function asks({ parameters, final }: { parameters: string; final: string }): boolean {
  if (final === 'c' || final === 'n') return true;
  if (final === 'p') return parameters.endsWith('$');
  if (final === 'q') return parameters.startsWith('>');
  if (final === 'u') return parameters.startsWith('?');
  if (final === 't') return /^0*(?:1[13-9]|2[01])(?!\d)/.test(parameters);
  if (final === 'x' || final === 'y') return true;
  return false;
}
