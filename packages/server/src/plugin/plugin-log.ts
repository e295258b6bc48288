// What a plugin prints, and what we say about it, as numbered lines that can be followed.

import { join } from 'node:path';
import type { PluginLog as LogPage, PluginLogLine } from '@binnacle/protocol';
import { z } from 'zod';
import { Journal } from './journal.ts';

const MAX_BYTES = 1024 * 1024;
const MAX_LINES = 2000;
const MAX_PAGE = 500;
const MAX_TEXT = 8192;

const Line = z.strictObject({
  n: z.int(),
  at: z.number(),
  stream: z.enum(['stdout', 'stderr', 'gateway']),
  text: z.string(),
});

export class PluginLog {
  readonly #journal: Journal<PluginLogLine>;
  readonly #waiting = new Set<() => void>();
  #last: number;

  constructor(dir: string, plugin: string) {
    const path = join(dir, `${plugin}.log.jsonl`);
    this.#journal = new Journal({ path, maxBytes: MAX_BYTES, maxEntries: MAX_LINES }, (value) => Line.parse(value));
    this.#last = this.#journal.entries.at(-1)?.n ?? 0;
  }

  add(stream: PluginLogLine['stream'], text: string): void {
    this.#last += 1;
    this.#journal.add({ n: this.#last, at: Date.now(), stream, text: text.slice(0, MAX_TEXT) });
    for (const wake of [...this.#waiting]) wake();
  }

  /** Lines behind `after`; of more than fit the newest, where `after` is not given. */
  read(after: number | undefined): LogPage {
    const lines = this.#journal.entries;
    const page = after === undefined ? lines.slice(-MAX_PAGE) : lines.filter(({ n }) => n > after).slice(0, MAX_PAGE);
    return { lines: page, next: page.at(-1)?.n ?? after ?? this.#last };
  }

  /** Settles with the next line, after `ms`, or when `signal` is aborted. */
  next(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      timer.unref();
      this.#waiting.add(done);
      signal.addEventListener('abort', done);
      if (signal.aborted) done();
    });
  }

  close(): void {
    this.#journal.close();
    for (const wake of [...this.#waiting]) wake();
  }

  remove(): void {
    this.#journal.remove();
    for (const wake of [...this.#waiting]) wake();
  }
}
