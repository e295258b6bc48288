// Finds positions where terminal output can be cut: outside of escape sequences and characters. The result is a
// proposal, which the emulator confirms.

const GROUND = 0;
const ESCAPE = 1;
const CSI = 2;
/** OSC, DCS, SOS, PM, APC: until ST or, in all that matter, BEL. */
const STRING = 3;
const STRING_ESCAPE = 4;

export class CutPointScanner {
  #state = GROUND;
  /** Bytes that the current character still needs. */
  #rest = 0;
  #isC1 = false;

  /**
   * Returns the length of the longest prefix of `bytes` after which no sequence or character is open; 0 if there is
   * none. Parses all of them.
   */
  take(bytes: Uint8Array): number {
    let last = 0;
    for (let i = 0; i < bytes.length; i++) {
      this.#step(bytes[i] as number);
      if (this.#state === GROUND && this.#rest === 0) last = i + 1;
    }
    return last;
  }

  #step(byte: number): void {
    if (this.#rest > 0) {
      if (byte >= 0x80 && byte < 0xc0) {
        this.#rest -= 1;
        if (this.#isC1 && byte < 0xa0) this.#c1(byte);
        this.#isC1 = false;
        return;
      }
      this.#rest = 0;
    }
    if (byte >= 0xc2 && byte <= 0xf4) {
      this.#rest = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : 1;
      this.#isC1 = byte === 0xc2;
      return;
    }
    switch (this.#state) {
      case GROUND:
        if (byte === 0x1b) this.#state = ESCAPE;
        return;
      case ESCAPE:
        this.#escape(byte);
        return;
      case CSI:
        if (byte === 0x1b) this.#state = ESCAPE;
        else if (byte >= 0x40 && byte < 0x7f) this.#state = GROUND;
        else if (byte === 0x18 || byte === 0x1a) this.#state = GROUND;
        return;
      case STRING:
        if (byte === 0x1b) this.#state = STRING_ESCAPE;
        else if (byte === 0x07 || byte === 0x18 || byte === 0x1a) this.#state = GROUND;
        return;
      default:
        this.#escape(byte);
    }
  }

  #escape(byte: number): void {
    if (byte === 0x5b) this.#state = CSI;
    else if (byte === 0x5d || byte === 0x50 || byte === 0x58 || byte === 0x5e || byte === 0x5f) this.#state = STRING;
    else if (byte === 0x1b) this.#state = ESCAPE;
    else if (byte >= 0x20 && byte < 0x30) this.#state = ESCAPE;
    else if (byte < 0x18 || byte === 0x19 || (byte > 0x1b && byte < 0x20)) return;
    else this.#state = GROUND;
  }

  #c1(byte: number): void {
    if (byte === 0x9b) this.#state = CSI;
    else if (byte === 0x9d || byte === 0x90 || byte === 0x98 || byte === 0x9e || byte === 0x9f) this.#state = STRING;
    else this.#state = GROUND;
  }
}
