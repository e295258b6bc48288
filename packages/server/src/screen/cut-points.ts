// Finds positions where terminal output can be cut: outside of escape sequences and characters. The result is a
// proposal, which the emulator confirms.

import { EscapeParser } from '@binnacle/protocol';
import { incompleteBytes } from '../cursor/text-decoder.ts';

export class CutPointScanner {
  readonly #parser = new EscapeParser(
    {
      text: (_, from, to, at) => {
        if (at < this.#before) return; // the first byte of a character, from the piece before
        this.#textFrom = from;
        this.#textTo = to;
      },
    },
    { controls: [], bellEndsAll: true },
  );
  /** The last text in the current piece of output. */
  #textFrom = 0;
  #textTo = 0;
  /** Bytes of output before the current piece. */
  #before = 0;
  /** An incomplete character at the end of the last piece. */
  #incomplete = new Uint8Array(0);

  /**
   * Returns the length of the longest prefix of `bytes` after which no sequence or character is open; 0 if there is
   * none. Parses all of them.
   */
  take(bytes: Uint8Array): number {
    this.#textFrom = 0;
    this.#textTo = 0;
    this.#parser.push(bytes);
    const end = this.#parser.groundAt - this.#before;
    const last = bytes.subarray(Math.max(this.#textFrom, this.#textTo - 3), this.#textTo);
    const text = this.#textFrom > 0 ? last : Buffer.concat([this.#incomplete, last]);
    const incomplete = this.#textTo === end ? incompleteBytes(text) : 0;
    this.#incomplete = this.#parser.isGround ? Uint8Array.from(text.subarray(text.length - incomplete)) : NONE;
    this.#before += bytes.length;
    return Math.max(0, end - incomplete);
  }
}

const NONE = new Uint8Array(0);
