// Server-sent events, as far as model servers use them: the data of each event.

import { BinnacleError } from '@binnacle/protocol';

export interface SseLimits {
  readonly maxLineBytes: number;
  readonly maxAnswerBytes: number;
}

export class SseReader {
  readonly #limits: SseLimits;
  /** The beginning of a line whose end has not arrived. */
  #parts: Uint8Array[] = [];
  #lineBytes = 0;
  #allBytes = 0;
  #data: string[] = [];
  #dataBytes = 0;

  constructor(limits: SseLimits) {
    this.#limits = limits;
  }

  /** Returns the data of completed events. Throws `agent_flood` beyond a limit. */
  *read(bytes: Uint8Array): Generator<string> {
    this.#allBytes += bytes.length;
    if (this.#allBytes > this.#limits.maxAnswerBytes) {
      throw flood(`The server sent more than ${this.#limits.maxAnswerBytes} bytes for one answer.`);
    }
    let begin = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, begin)) {
      this.#hold(bytes.subarray(begin, end));
      begin = end + 1;
      const data = this.#line(this.#takeLine());
      if (data !== undefined) yield data;
    }
    // A copy: the chunk may be reused, and a view would keep all of it in memory.
    if (begin < bytes.length) this.#hold(bytes.slice(begin));
  }

  #hold(part: Uint8Array): void {
    this.#parts.push(part);
    this.#lineBytes += part.length;
    if (this.#lineBytes + this.#dataBytes > this.#limits.maxLineBytes) {
      throw flood(`The server sent an event of more than ${this.#limits.maxLineBytes} bytes.`);
    }
  }

  #takeLine(): string {
    const line = Buffer.concat(this.#parts).toString();
    this.#parts = [];
    this.#lineBytes = 0;
    return line.endsWith('\r') ? line.slice(0, -1) : line;
  }

  /** Handles a line. Returns the data of an event at the empty line that ends it. Ignores comments and other fields. */
  #line(line: string): string | undefined {
    if (line.startsWith('data:')) {
      const data = line.slice(line.startsWith('data: ') ? 6 : 5);
      this.#data.push(data);
      this.#dataBytes += data.length;
      return undefined;
    }
    if (line !== '' || this.#data.length === 0) return undefined;
    const data = this.#data.join('\n');
    this.#data = [];
    this.#dataBytes = 0;
    return data;
  }
}

const NEWLINE = 0x0a;

const flood = (message: string): BinnacleError =>
  new BinnacleError('agent_flood', { message, hint: 'Check "url" of the agent: is it a server for chat completions?' });
