// What of a program's output goes to a person's terminal: when reading (tail) and when history is played again (attach).

import { csiParts, Escapes, sequenceText, stringParts, type Token } from '../output/escapes.ts';

export interface Filter {
  push(chunk: Uint8Array): Uint8Array;
  /** What was held back for a sequence that never ended. */
  end(): Uint8Array;
}

/** Keeps text, line breaks, tabs and colours (SGR); nothing that could move, answer, copy or rename. */
export const plainFilter = (): Filter => filter((token) => isPlain(token));

export interface AttachFilter extends Filter {
  /** Ends the history: output from here on is live. A sequence that began in the history is judged as live. */
  goLive(): void;
}

/**
 * For `attach`. History keeps everything but what has an effect beyond the screen: a program that asked the terminal
 * something an hour ago must not get its answer typed now, the clipboard must not be set again, and the bell must not
 * ring. Live output keeps those, because a person is there who runs the program. Neither prints, moves or resizes the
 * window, or uses the private commands of iTerm2 (OSC 1337: files, clipboard, profiles): no session needs them, and
 * whoever can write into a session could use them on everybody who attaches.
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
  const escapes = new Escapes();
  let keepsString = false;
  const kept = (tokens: Token[]): Uint8Array =>
    Buffer.concat(
      tokens.map((token) => {
        const isKept = token.continues === true ? keepsString : keep(token);
        keepsString = isKept;
        return isKept ? token.bytes : controlsInside(token);
      }),
    );
  return {
    push: (chunk) => kept(escapes.feed(chunk)),
    end: () => kept(escapes.end()),
  };
}

/** The terminal executes line breaks inside of a sequence, so they stay when the sequence goes. */
const controlsInside = ({ kind, bytes }: Token): Uint8Array =>
  kind === 'csi' || kind === 'escape' ? bytes.filter((byte) => PLAIN_CONTROLS.has(byte)) : new Uint8Array();

/** The second byte in UTF-8 of the C1 control that asks like ESC Z. */
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
      // `CSI > … m` sets keyboard modes and `CSI ? … m` asks for them: only plain numbers are colours.
      return final === 'm' && /^[0-9;:]*$/.test(parameters);
    }
    default:
      return false;
  }
}

/** ESC, intermediate bytes and a final byte. Anything else was broken off, and could go on in what comes behind it. */
const BEHIND_ESCAPE = /^[ -/]*[0-OQ-WYZ\\`-~]$/;

const isComplete = (sequence: string): boolean => sequence.startsWith('\x1b') && BEHIND_ESCAPE.test(sequence.slice(1));

/** Media copy; window operations but those that keep titles (22, 23); OSC 1337; broken-off sequences. */
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

/** `CSI > … t` and `CSI … SP t` set features of titles and the bell. 11 and above ask, 22 and 23 keep titles, 24 and above resize. */
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

/** Device attributes, status, mode, size and keyboard reports. */
function asks({ parameters, final }: { parameters: string; final: string }): boolean {
  if (final === 'c' || final === 'n') return true;
  if (final === 'p') return parameters.endsWith('$');
  if (final === 'q') return parameters.startsWith('>');
  if (final === 'u') return parameters.startsWith('?');
  if (final === 't') return /^0*(?:1[13-9]|2[01])(?!\d)/.test(parameters);
  if (final === 'x' || final === 'y') return true;
  return false;
}
