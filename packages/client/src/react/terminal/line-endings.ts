// Detects output whose lines end without a carriage return, as written by emitters without a terminal. Pure.

const LINE_FEED = 0x0a;
const RETURN = 0x0d;

export class BareLines {
  #last = 0;
  #verdict: boolean | undefined;

  /** Returns true if the first complete line ends so; false until then. Takes the output in order. */
  are(bytes: Uint8Array): boolean {
    if (this.#verdict !== undefined) return this.#verdict;
    const at = bytes.indexOf(LINE_FEED);
    if (at !== -1) this.#verdict = (at === 0 ? this.#last : bytes[at - 1]) !== RETURN;
    this.#last = bytes.at(-1) ?? this.#last;
    return this.#verdict ?? false;
  }
}
