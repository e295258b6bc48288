// Tokenizer of terminal output: splits text and escape sequences, independent of chunk boundaries.

/**
 * `text`: printable bytes, UTF-8 as it came. `control`: one C0 or C1 control. `csi`: ESC [ … final byte.
 * `string`: OSC, DCS, SOS, PM or APC up to its terminator. `escape`: any other sequence that begins with ESC.
 */
export type TokenKind = 'text' | 'control' | 'csi' | 'string' | 'escape';

export interface Token {
  readonly kind: TokenKind;
  readonly bytes: Uint8Array;
  /** True if this token continues the string of the token before it. */
  readonly continues?: true;
}

/**
 * Maximum bytes of a pending sequence. A longer string is split into several tokens; any other sequence of that length
 * is truncated.
 */
export const MAX_SEQUENCE_BYTES = 64 * 1024;
/**
 * Maximum bytes of one string (an inline image). After that, an unterminated ESC ] no longer swallows output as its
 * content.
 */
export const MAX_STRING_BYTES = 16 * 1024 * 1024;

const ESC = 0x1b;
const BEL = 0x07;
const CAN = 0x18;
const SUB = 0x1a;
const STRING_STARTERS = new Set([0x5d, 0x50, 0x58, 0x5e, 0x5f]); // ] P X ^ _
/** Second bytes of C1 controls in UTF-8 (after 0xC2) that begin a sequence: DCS, SOS, CSI, OSC, PM, APC. */
const C1_CSI = 0x9b;
const C1_STRINGS = new Set([0x90, 0x98, 0x9d, 0x9e, 0x9f]);

type State = 'ground' | 'c2' | 'esc' | 'intermediate' | 'csi' | 'string' | 'string-esc' | 'string-c2';

export class EscapeTokenizer {
  #state: State = 'ground';
  #pending: number[] = [];
  /** Bytes of the current string that were already emitted. */
  #emittedBytes = 0;

  /** Returns the tokens that this chunk completes; an incomplete token is pending. */
  feed(chunk: Uint8Array): Token[] {
    const tokens: Token[] = [];
    let textFrom = 0;
    const text = (to: number): void => {
      if (to > textFrom) tokens.push({ kind: 'text', bytes: chunk.subarray(textFrom, to) });
    };
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i] ?? 0;
      if (this.#state === 'ground') {
        const begins = byte === ESC || byte === 0xc2;
        if (!begins && byte >= 0x20 && byte !== 0x7f) continue;
        text(i);
        textFrom = i + 1;
        if (begins) {
          this.#pending = [byte];
          this.#state = byte === ESC ? 'esc' : 'c2';
        } else {
          tokens.push({ kind: 'control', bytes: Uint8Array.of(byte) });
        }
        continue;
      }
      const again = this.#step(byte, tokens);
      // The byte did not belong to the sequence that it ended.
      if (again) i -= 1;
      textFrom = i + 1;
    }
    if (this.#state === 'ground') text(chunk.length);
    return tokens;
  }

  /** Returns the pending bytes at the end of input. */
  end(): Token[] {
    const tokens: Token[] = [];
    if (this.#pending.length > 0) this.#let('escape', tokens);
    this.#emittedBytes = 0;
    return tokens;
  }

  /** Processes one byte inside a sequence. Returns true if the byte must be processed again in the ground state. */
  #step(byte: number, tokens: Token[]): boolean {
    if (this.#pending.length >= MAX_SEQUENCE_BYTES) {
      if (this.#state === 'string' && this.#emittedBytes < MAX_STRING_BYTES) this.#giveOut(tokens);
      else if (this.#state !== 'string-esc' && this.#state !== 'string-c2') {
        this.#let('escape', tokens);
        return true;
      }
    }
    if (byte === CAN || byte === SUB) {
      this.#let('escape', tokens);
      return true;
    }
    switch (this.#state) {
      case 'c2':
        return this.#stepC2(byte, tokens);
      case 'esc':
        return this.#stepEscape(byte, tokens);
      case 'intermediate':
        return this.#final(byte, 0x30, 'escape', tokens);
      case 'csi':
        return this.#final(byte, 0x40, 'csi', tokens);
      case 'string':
        this.#pending.push(byte);
        if (byte === BEL) this.#let('string', tokens);
        else if (byte === ESC) this.#state = 'string-esc';
        else if (byte === 0xc2) this.#state = 'string-c2';
        return false;
      case 'string-c2':
        this.#pending.push(byte);
        if (byte === 0x9c) this.#let('string', tokens);
        else this.#state = byte === ESC ? 'string-esc' : 'string';
        return false;
      case 'string-esc':
        if (byte === 0x5c) {
          this.#pending.push(byte);
          this.#let('string', tokens);
          return false;
        }
        // Any other ESC ends the string and begins a new sequence.
        this.#pending.pop();
        this.#let('string', tokens);
        this.#pending = [ESC];
        this.#state = 'esc';
        return this.#step(byte, tokens);
      case 'ground':
        return true;
    }
  }

  #stepC2(byte: number, tokens: Token[]): boolean {
    if (byte < 0x80 || byte > 0xbf) {
      this.#let('text', tokens); // broken UTF-8: shown as it is
      return true;
    }
    this.#pending.push(byte);
    if (byte === C1_CSI) this.#state = 'csi';
    else if (C1_STRINGS.has(byte)) this.#state = 'string';
    else this.#let(byte < 0xa0 ? 'control' : 'text', tokens);
    return false;
  }

  #stepEscape(byte: number, tokens: Token[]): boolean {
    if (byte === ESC || byte > 0x7f) {
      this.#let('escape', tokens);
      return true;
    }
    this.#pending.push(byte);
    if (isInside(byte)) return false;
    if (byte === 0x5b) this.#state = 'csi';
    else if (STRING_STARTERS.has(byte)) this.#state = 'string';
    else if (byte < 0x30) this.#state = 'intermediate';
    else this.#let('escape', tokens);
    return false;
  }

  #final(byte: number, from: number, kind: TokenKind, tokens: Token[]): boolean {
    if (byte === ESC || byte > 0x7f) {
      this.#let('escape', tokens); // truncated
      return true;
    }
    this.#pending.push(byte);
    if (!isInside(byte) && byte >= from) this.#let(kind, tokens);
    return false;
  }

  #let(kind: TokenKind, tokens: Token[]): void {
    if (this.#emittedBytes > 0) this.#giveOut(tokens);
    else tokens.push({ kind, bytes: Uint8Array.from(this.#pending) });
    this.#pending = [];
    this.#emittedBytes = 0;
    this.#state = 'ground';
  }

  /** Emits the pending part of a string that exceeds the limit. */
  #giveOut(tokens: Token[]): void {
    const bytes = Uint8Array.from(this.#pending);
    tokens.push({ kind: 'string', bytes, ...(this.#emittedBytes > 0 && { continues: true }) });
    this.#emittedBytes += bytes.length;
    this.#pending = [];
  }
}

/** Terminals execute a control (and ignore DEL) inside a sequence, and the sequence continues. */
const isInside = (byte: number): boolean => byte < 0x20 || byte === 0x7f;

/** Returns the sequence as terminals interpret it, without the controls inside, one character per byte. */
export const sequenceText = (token: Token): string =>
  latin1(token.bytes.filter((byte, at) => at === 0 || !isInside(byte)));

/** Returns the parameters of a CSI and its final byte. */
export function csiParts(token: Token): { readonly parameters: string; readonly final: string } {
  const text = sequenceText(token);
  return { parameters: text.slice(2, -1), final: text.slice(-1) }; // two bytes in front: ESC [ or C2 9B
}

const TERMINATORS = ['\x07', '\x1b\\', '\xc2\x9c'];

/**
 * Returns the content of a string sequence and its kind: `]` OSC, `P` DCS, `X` SOS, `^` PM, `_` APC. Like terminals,
 * ignores controls before the kind and inside the content.
 */
export function stringParts(token: Token): { readonly starter: string; readonly content: string } {
  const whole = latin1(token.bytes);
  const terminator = TERMINATORS.find((end) => whole.endsWith(end)) ?? '';
  const bytes = token.bytes.subarray(0, token.bytes.length - terminator.length);
  const text = sequenceText({ ...token, bytes });
  const c1 = text.charCodeAt(0) === 0xc2;
  const starter = c1
    ? ({ 144: 'P', 152: 'X', 157: ']', 158: '^', 159: '_' }[text.charCodeAt(1)] ?? '')
    : text.slice(1, 2);
  return { starter, content: text.slice(2) };
}

const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
