// Filters of a program's output for a person's terminal: for reading (tail) and for replaying history (attach).

import { EscapeParser, type EscapeSequence, type SequenceEnd, sequenceOf } from '@binnacle/protocol';

export interface Filter {
  push(chunk: Uint8Array): Uint8Array;
  /** Returns the bytes of a sequence that never ended. */
  end(): Uint8Array;
}

/** Keeps text, line breaks, tabs and colours (SGR); removes all sequences that move, answer, copy or rename. */
export const plainFilter = (): Filter => filter(isPlain);

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
    ...filter((part) => (isLive ? !toTerminal || !actsOnDesktop(part) : !actsOnDesktop(part) && !actsOutside(part))),
    goLive: () => {
      isLive = true;
    },
  };
}

/**
 * A control or a sequence of output. `cut`: a sequence that broke off, or a string that another ESC ended. If that one is
 * removed, the string would continue in the bytes behind it, for example as a command that sets the clipboard.
 */
type Part = EscapeSequence | { readonly kind: 'control'; readonly code: number } | { readonly kind: 'cut' };

function filter(passes: (part: Part) => boolean): Filter {
  let output: Uint8Array[] = [];
  /** Whether the current string passes, if it comes in parts. */
  let isPassing: boolean | undefined;
  /** True if the last part was removed: the bytes around it must not become one character, such as a C1 control. */
  let isRemoved = false;
  const add = (bytes: Uint8Array, from: number, to: number): void => {
    let begin = from;
    while (isRemoved && begin < to && ((bytes[begin] as number) & 0xc0) === 0x80) begin += 1;
    if (begin === to) return;
    output.push(bytes.slice(begin, to));
    isRemoved = false;
  };
  /** Adds a sequence without the controls inside that do not pass: the terminal executes them there, too. */
  const addSequence = (bytes: Uint8Array, from: number, to: number): void => {
    let begin = from;
    for (let i = from; i < to; i += 1) {
      const code = bytes[i] as number;
      if (code >= 0x20 && code !== 0x7f) continue;
      // BEL ends a string and stands nowhere else in it; a sequence has no control at its end.
      const isOwn = (code === ESC && i === from) || (code === BEL && i === to - 1);
      if (isOwn || passes({ kind: 'control', code })) continue;
      add(bytes, begin, i);
      isRemoved = true;
      begin = i + 1;
    }
    add(bytes, begin, to);
  };
  /** Adds the controls inside a removed sequence: the terminal executes line breaks there. */
  const addControls = (bytes: Uint8Array, from: number, to: number): void => {
    output.push(bytes.slice(from, to).filter((byte) => PLAIN_CONTROLS.has(byte)));
    isRemoved = true;
  };
  const passesSequence = (bytes: Uint8Array, from: number, to: number, end: SequenceEnd): boolean =>
    passes(end === 'cut' || end === 'interrupted' ? { kind: 'cut' } : sequenceOf(bytes, from, to));
  const parser = new EscapeParser(
    {
      text: add,
      control: (code, _, isInside) => {
        if (isInside) return;
        isRemoved = !passes({ kind: 'control', code });
        if (!isRemoved) output.push(code < 0x80 ? Uint8Array.of(code) : Uint8Array.of(0xc2, code));
      },
      sequence: (bytes, from, to, end) => {
        if (passesSequence(bytes, from, to, end)) addSequence(bytes, from, to);
        else addControls(bytes, from, to);
      },
      string: (bytes, from, to, end) => {
        const isFirst = isPassing === undefined;
        isPassing ??= passesSequence(bytes, from, Math.min(to, from + MAX_SEQUENCE_BYTES), end);
        if (isPassing) addSequence(bytes, from, to);
        else if (isFirst && end === 'cut') addControls(bytes, from, to);
        else isRemoved = true;
        if (end !== 'more') isPassing = undefined;
      },
    },
    { bellEndsAll: true, maxSequence: MAX_SEQUENCE_BYTES, maxString: MAX_STRING_BYTES },
  );
  const take = (): Uint8Array => {
    const all = Buffer.concat(output);
    output = [];
    return all;
  };
  return {
    push: (chunk) => {
      parser.push(chunk);
      return take();
    },
    end: () => {
      parser.end();
      return take();
    },
  };
}

/** Maximum bytes of a sequence, and of the beginning of a string by which it is judged. */
export const MAX_SEQUENCE_BYTES = 64 * 1024;
/**
 * Maximum bytes of one string (an inline image). After that, an unterminated ESC ] no longer swallows output as its
 * content.
 */
const MAX_STRING_BYTES = 16 * 1024 * 1024;
const ENQ = 0x05;
const BEL = 0x07;
const ESC = 0x1b;
/** The C1 control that is a query like ESC Z. */
const C1_DECID = 0x9a;
const PLAIN_CONTROLS = new Set([0x08, 0x09, 0x0a, 0x0d]); // BS, TAB, LF, CR

function isPlain(part: Part): boolean {
  if (part.kind === 'control') return PLAIN_CONTROLS.has(part.code);
  // `CSI > … m` sets keyboard modes and `CSI ? … m` queries them: only plain numbers are colours.
  return part.kind === 'csi' && part.final === 'm' && /^[0-9;:]*$/.test(part.parameters);
}

/** Returns true for media copy, window operations except saving titles (22, 23), OSC 1337, and sequences that broke off. */
function actsOnDesktop(part: Part): boolean {
  if (part.kind === 'cut') return true;
  // A terminal without intermediates would continue these.
  if (part.kind === 'escape') return /[[\]PX^_]$/.test(part.text);
  if (part.kind === 'csi') return part.final === 'i' || (part.final === 't' && changesWindow(part.parameters));
  return part.kind === 'string' && part.introducer === ']' && /^0*1337(?:;|$)/.test(part.content);
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

function actsOutside(part: Part): boolean {
  switch (part.kind) {
    case 'control':
      return part.code === BEL || part.code === ENQ || part.code === C1_DECID;
    case 'csi':
      return asks(part);
    case 'string': {
      const { introducer, content } = part;
      if (introducer === ']') return /^0*(?:52|9|99|777);/.test(content) || /;\?/.test(content);
      return introducer === 'P' ? /^[0-9;]*[+$]q/.test(content) : introducer === '_';
    }
    case 'escape':
      return part.text === 'Z'; // DECID
    case 'cut':
      return true;
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
