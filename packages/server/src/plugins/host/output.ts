// The stdout and stderr of a plugin, cut into lines for its log.

import { StringDecoder } from 'node:string_decoder';
import { RateLimit } from '../../base/rate-limit.ts';
import type { Clock } from './supervision.ts';

const MAX_LINE_LENGTH = 8192;

export type OutputLine = (stream: 'stdout' | 'stderr', text: string) => void;

/** Reads as fast as the plugin writes, so that its writes never block; excess output is counted and dropped. */
export class OutputLines {
  readonly #stream: 'stdout' | 'stderr';
  readonly #line: OutputLine;
  readonly #allowance: RateLimit;
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';
  #dropped = 0;

  constructor(stream: 'stdout' | 'stderr', bytesPerSecond: number, clock: Clock, line: OutputLine) {
    this.#stream = stream;
    this.#line = line;
    this.#allowance = new RateLimit(bytesPerSecond, () => clock.now());
  }

  /** Takes a chunk. Returns false if it was dropped because the plugin writes too much. */
  push(bytes: Buffer): boolean {
    // Checks without taking first: dropped bytes must not use up the allowance, or a flood would end all output for
    // good.
    if (this.#allowance.take(0) > 0) {
      this.#dropped += bytes.length;
      return false;
    }
    this.#allowance.take(bytes.length);
    this.#reportDropped();
    const lines = (this.#rest + this.#decoder.write(bytes)).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#emit(line);
    if (this.#rest.length >= MAX_LINE_LENGTH) {
      this.#emit(this.#rest);
      this.#rest = '';
    }
    return true;
  }

  end(): void {
    if (this.#rest !== '') this.#emit(this.#rest);
    this.#rest = '';
    this.#reportDropped();
  }

  #emit(line: string): void {
    for (let at = 0; at === 0 || at < line.length; at += MAX_LINE_LENGTH) {
      this.#line(this.#stream, line.slice(at, at + MAX_LINE_LENGTH));
    }
  }

  #reportDropped(): void {
    if (this.#dropped === 0) return;
    this.#line(this.#stream, `[${this.#dropped} bytes were dropped: the plugin writes too much]`);
    this.#dropped = 0;
  }
}
