// Converts a terminal's bytes into the text that a person would read: no escape sequences, no control characters,
// invalid UTF-8 as U+FFFD. A state machine over bytes, so that the input may be cut anywhere. It has no screen:
// overwritten text stays in the text, and a line that is drawn again is another line.

/** A line with the LF that ends it, or a part of a line where the input was cut. Never empty. */
export interface TextPiece {
  readonly text: string;
  /** Input bytes before the piece, from the beginning. A line begins directly after the previous line break. */
  readonly at: number;
}

/** Maximum bytes per escape sequence. After that the input counts as text again. */
const MAX_SEQUENCE = 65_536;
/** Maximum bytes of a buffer that is reused by the next push. */
const MAX_REUSED_BYTES = 8192;

const GROUND = 0;
/** After ESC. */
const ESCAPE = 1;
/** After ESC and intermediates, before the final byte. */
const ESCAPE_MORE = 2;
const CSI = 3;
/** OSC, which BEL ends, too. */
const OSC = 4;
/** DCS, SOS, PM and APC, which only ST ends. */
const STRING = 5;
/** After an ESC in OSC or STRING. */
const STRING_ESCAPE = 6;

export class PlainText {
  #state = GROUND;
  /** Bytes of the sequence so far. */
  #length = 0;
  #sequenceAt = 0;
  /** The last byte within OSC or STRING: 0xC2 0x9C is ST. */
  #last = 0;
  /** True directly after a CR that broke the line: a following LF or CR belongs to that break. */
  #afterCr = false;
  /** An incomplete character: see "UTF-8 decoder" of the WHATWG's Encoding Standard. */
  readonly #char = new Uint8Array(4);
  #charSeen = 0;
  #charNeeded = 0;
  #lower = 0x80;
  #upper = 0xbf;
  #charAt = 0;
  /** Input bytes before this push. */
  #before = 0;
  /** Beginning of the current piece; -1: it begins with the next character. */
  #pieceAt = 0;
  #out = Buffer.alloc(0);
  #written = 0;
  #ascii = true;
  /** Ends of the completed lines in #out, and their `at`. */
  #ends: number[] = [];
  #ats: number[] = [];

  /**
   * Input bytes from the beginning up to where another PlainText could resume: all returned text came from before that
   * point, and no incomplete sequence or character is there.
   */
  get resumeAt(): number {
    const piece = this.#pieceAt < 0 ? this.#before : this.#pieceAt;
    if (this.#state !== GROUND) return Math.min(this.#sequenceAt, piece);
    return this.#charNeeded > 0 ? Math.min(this.#charAt, piece) : piece;
  }

  push(bytes: Uint8Array): readonly TextPiece[] {
    this.#open(bytes.length);
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i] as number;
      if (byte >= 0x20 && byte < 0x7f && this.#state === GROUND && this.#charNeeded === 0) {
        // the path of nearly all bytes
        if (this.#pieceAt < 0) this.#pieceAt = this.#before + i;
        this.#afterCr = false;
        this.#out[this.#written++] = byte;
      } else this.#take(byte, this.#before + i);
    }
    this.#before += bytes.length;
    return this.#close();
  }

  /** Ends the input. An incomplete character becomes U+FFFD, an incomplete sequence is dropped. */
  flush(): readonly TextPiece[] {
    this.#open(0);
    if (this.#charNeeded > 0) this.#replace();
    this.#state = GROUND;
    this.#afterCr = false;
    return this.#close();
  }

  #open(length: number): void {
    // each byte becomes at most U+FFFD, and one character may wait from an earlier push
    const room = 3 * length + 6;
    if (this.#out.length < room) this.#out = Buffer.allocUnsafeSlow(room);
    this.#written = 0;
    this.#ascii = true;
    this.#ends = [];
    this.#ats = [];
  }

  #close(): readonly TextPiece[] {
    const pieces: TextPiece[] = [];
    const ends = this.#ends;
    const last = ends.at(-1) ?? 0;
    if (this.#written > last) {
      ends.push(this.#written);
      this.#ats.push(this.#pieceAt);
      this.#pieceAt = -1;
    }
    const all = this.#ascii ? this.#out.toString('latin1', 0, this.#written) : null;
    let from = 0;
    for (let i = 0; i < ends.length; i++) {
      const end = ends[i] as number;
      pieces.push({ text: all?.slice(from, end) ?? this.#out.toString('utf8', from, end), at: this.#ats[i] as number });
      from = end;
    }
    if (this.#out.length > MAX_REUSED_BYTES) this.#out = Buffer.alloc(0);
    return pieces;
  }

  #take(byte: number, at: number): void {
    if (this.#charNeeded > 0) {
      if (byte >= this.#lower && byte <= this.#upper) {
        this.#continue(byte, at);
        return;
      }
      this.#replace(); // and this byte begins anew
    }
    if (this.#state !== GROUND && ++this.#length > MAX_SEQUENCE) this.#state = GROUND;
    if (this.#state === GROUND) this.#plain(byte, at);
    else if (this.#state >= OSC) this.#inString(byte);
    else this.#inSequence(byte, at);
  }

  #inSequence(byte: number, at: number): void {
    if (byte === 0x1b) this.#begin(ESCAPE);
    else if (byte === 0x18 || byte === 0x1a) this.#state = GROUND;
    else if (byte === 0x0a || byte === 0x0d) {
      // A terminal would continue the sequence after the break. Here a person finds whole lines again.
      this.#state = GROUND;
      this.#control(byte, at);
    } else if (byte < 0x20 || byte === 0x7f) return;
    else if (byte > 0x7f) {
      this.#state = GROUND;
      this.#plain(byte, at);
    } else if (this.#state === CSI) {
      if (byte >= 0x40) this.#state = GROUND;
    } else if (byte < 0x30) this.#state = ESCAPE_MORE;
    else if (this.#state === ESCAPE_MORE) this.#state = GROUND;
    else this.#introduced(byte);
  }

  /** Takes the byte after ESC, or the equivalent of a C1 control. */
  #introduced(byte: number): void {
    if (byte === 0x5b) this.#begin(CSI);
    else if (byte === 0x5d) this.#begin(OSC);
    else if (byte === 0x50 || byte === 0x58 || byte === 0x5e || byte === 0x5f) this.#begin(STRING);
    else this.#state = GROUND;
  }

  #begin(state: number): void {
    this.#state = state;
    this.#length = 0;
    this.#last = 0;
  }

  #inString(byte: number): void {
    if (this.#state === STRING_ESCAPE) {
      // ESC \ is ST; any other byte begins a sequence of its own, and the string is over, too
      this.#length = 0;
      if (byte === 0x5c) this.#state = GROUND;
      else if (byte === 0x1b) return;
      else if (byte >= 0x20 && byte < 0x30) this.#state = ESCAPE_MORE;
      else this.#introduced(byte);
      return;
    }
    const st = byte === 0x9c && this.#last === 0xc2;
    if (st || byte === 0x18 || byte === 0x1a || (byte === 0x07 && this.#state === OSC)) this.#state = GROUND;
    else if (byte === 0x1b) this.#state = STRING_ESCAPE;
    this.#last = byte;
  }

  #plain(byte: number, at: number): void {
    if (byte < 0x20) this.#control(byte, at);
    else if (byte < 0x7f) this.#write(byte, at);
    else if (byte >= 0xc2 && byte <= 0xf4) {
      this.#afterCr = false;
      this.#char[0] = byte;
      this.#charSeen = 1;
      this.#charNeeded = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : 1;
      // some first bytes allow only a part of the second ones: overlong forms, surrogates, beyond U+10FFFF
      this.#lower = byte === 0xe0 ? 0xa0 : byte === 0xf0 ? 0x90 : 0x80;
      this.#upper = byte === 0xed ? 0x9f : byte === 0xf4 ? 0x8f : 0xbf;
      this.#charAt = at;
    } else if (byte > 0x7f) {
      this.#charAt = at;
      this.#replace();
    }
  }

  #continue(byte: number, at: number): void {
    this.#lower = 0x80;
    this.#upper = 0xbf;
    this.#char[this.#charSeen++] = byte;
    this.#charNeeded -= 1;
    if (this.#charNeeded > 0) return;
    if (this.#charSeen === 2 && this.#char[0] === 0xc2 && byte < 0xa0) {
      // a C1 control: the equivalent of ESC and the byte 0x40 below it
      if (byte === 0x85) this.#break(at);
      else {
        this.#sequenceAt = this.#charAt;
        this.#introduced(byte - 0x40);
      }
      return;
    }
    for (let i = 0; i < this.#charSeen; i++) this.#write(this.#char[i] as number, this.#charAt);
    this.#ascii = false;
  }

  #replace(): void {
    this.#charNeeded = 0;
    this.#write(0xef, this.#charAt);
    this.#write(0xbf, this.#charAt);
    this.#write(0xbd, this.#charAt);
    this.#ascii = false;
  }

  #control(byte: number, at: number): void {
    if (byte === 0x1b) {
      this.#sequenceAt = at;
      this.#begin(ESCAPE);
    } else if (byte === 0x09) this.#write(byte, at);
    else if (byte === 0x0a || byte === 0x0d) {
      // CR LF, CR CR LF: one break
      if (this.#afterCr) this.#pieceAt = at + 1;
      else this.#break(at);
      this.#afterCr = byte === 0x0d;
    }
  }

  #break(at: number): void {
    this.#write(0x0a, at);
    this.#ends.push(this.#written);
    this.#ats.push(this.#pieceAt);
    this.#pieceAt = at + 1;
  }

  #write(byte: number, at: number): void {
    if (this.#pieceAt < 0) this.#pieceAt = at;
    this.#afterCr = false;
    this.#out[this.#written++] = byte;
  }
}
