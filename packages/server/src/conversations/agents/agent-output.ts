// Cuts the output of an agent into lines or text, and tracks the offset up to which it was handled.

import { BinnacleError } from '@binnacle/protocol';
import { incompleteBytes } from '../../cursor/text-decoder.ts';

/** Maximum bytes of a line. The longest legitimate line of a protocol is a file in a diff. */
const MAX_LINE_BYTES = 8 * 1024 * 1024;
const STDERR_BYTES = 2048;
const LINE_FEED = 10;

export interface OutputPiece {
  readonly text: string;
}

export class AgentOutput {
  readonly #reads: 'lines' | 'text';
  /** The beginning of a line or of a character whose rest has not arrived. */
  #partial: Uint8Array[] = [];
  #partialBytes = 0;
  #offset: number;
  #stderr: Uint8Array = new Uint8Array(0);

  /** `offset`: of the first byte that will arrive. */
  constructor(reads: 'lines' | 'text', offset: number) {
    this.#reads = reads;
    this.#offset = offset;
  }

  /** Output offset of the first unhandled byte: a later reader begins here. */
  get offset(): number {
    return this.#offset;
  }

  /** Cuts stdout bytes at `offset` into pieces; the property `offset` moves with each piece. Throws `agent_flood`. */
  *stdout(bytes: Uint8Array, offset: number): Generator<OutputPiece> {
    if (this.#partialBytes === 0) this.#offset = offset;
    if (this.#reads === 'text') {
      yield* this.#text(bytes, offset);
      return;
    }
    let from = 0;
    for (let end = bytes.indexOf(LINE_FEED); end >= 0; end = bytes.indexOf(LINE_FEED, from)) {
      const line = this.#take(bytes.subarray(from, end));
      from = end + 1;
      this.#offset = offset + from;
      yield { text: line };
    }
    this.#hold(bytes.subarray(from));
  }

  stderr(bytes: Uint8Array): void {
    const all = Buffer.concat([this.#stderr, bytes]);
    this.#stderr = all.subarray(Math.max(0, all.length - STDERR_BYTES));
  }

  /** The last output on stderr. */
  get stderrTail(): string {
    return new TextDecoder().decode(this.#stderr).trim();
  }

  /** Returns the rest at the end of the output: a line without its line break, a character without its rest. */
  *rest(): Generator<OutputPiece> {
    if (this.#partialBytes === 0) return;
    this.#offset += this.#partialBytes;
    yield { text: this.#take(new Uint8Array(0)) };
  }

  *#text(bytes: Uint8Array, offset: number): Generator<OutputPiece> {
    this.#hold(bytes);
    const all = Buffer.concat(this.#partial);
    const open = incompleteBytes(all);
    this.#partial = [];
    this.#partialBytes = 0;
    if (open > 0) this.#hold(all.subarray(all.length - open));
    this.#offset = offset + bytes.length - open;
    if (all.length > open)
      yield { text: new TextDecoder('utf-8', { ignoreBOM: true }).decode(all.subarray(0, all.length - open)) };
  }

  #hold(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    if (this.#partialBytes + bytes.length > MAX_LINE_BYTES) {
      throw new BinnacleError('agent_flood', { details: { limitBytes: MAX_LINE_BYTES } });
    }
    // Copies the bytes, because the memory of pages is reused.
    this.#partial.push(Uint8Array.from(bytes));
    this.#partialBytes += bytes.length;
  }

  #take(rest: Uint8Array): string {
    const whole = this.#partialBytes === 0 ? rest : Buffer.concat([...this.#partial, rest]);
    this.#partial = [];
    this.#partialBytes = 0;
    return new TextDecoder().decode(whole);
  }
}
