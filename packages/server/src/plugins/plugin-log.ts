// What a plugin prints, and what we say about it, as numbered lines that can be followed.

import { join } from 'node:path';
import type { PluginLog as LogPage, PluginLogLine } from '@binnacle/protocol';
import { z } from 'zod';
import { Journal } from './journal.ts';

const MAX_BYTES = 1024 * 1024;
const MAX_LINES = 2000;
const MAX_PAGE = 500;
const MAX_TEXT = 8192;
/** The same note is added no more often, and so many of them within that. */
const NOTE_MS = 10_000;
const MAX_NOTES = 50;

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
  #isQuiet = false;
  readonly #notedAt = new Map<string, number>();

  constructor(dir: string, plugin: string) {
    const path = join(dir, `${plugin}.log.jsonl`);
    this.#journal = new Journal({ path, maxBytes: MAX_BYTES, maxEntries: MAX_LINES }, (value) => Line.parse(value));
    // Never again one that somebody has seen, also when the log was removed since.
    this.#last = Math.max(this.#journal.entries.at(-1)?.n ?? 0, Date.now());
  }

  add(stream: PluginLogLine['stream'], text: string): void {
    this.#last += 1;
    this.#journal.add({ n: this.#last, at: Date.now(), stream, text: text.slice(0, MAX_TEXT) });
    for (const wake of [...this.#waiting]) wake();
  }

  /** Of ours, about what it does: it may do that as often as it likes. */
  note(text: string): void {
    const line = text.slice(0, MAX_TEXT);
    const now = performance.now();
    for (const [noted, at] of this.#notedAt) if (now - at >= NOTE_MS) this.#notedAt.delete(noted);
    if (this.#isQuiet || this.#notedAt.has(line) || this.#notedAt.size >= MAX_NOTES) return;
    this.#notedAt.set(line, now);
    this.add('gateway', line);
  }

  /** Lines behind `after`; of more than fit the newest, where `after` is not given. */
  read(after: number | undefined): LogPage {
    // What is told is written: after a kill its numbers are not given to others.
    this.#journal.flush();
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
      if (signal.aborted || this.#isQuiet) done();
    });
  }

  /** The gateway stops: nobody waits for another line. */
  quiet(): void {
    this.#isQuiet = true;
    for (const wake of [...this.#waiting]) wake();
  }

  close(): void {
    this.quiet();
    this.#journal.close();
  }

  /** The plugin was removed. One of that name that is installed later goes on counting. */
  clear(): void {
    this.#journal.clear();
    for (const wake of [...this.#waiting]) wake();
  }
}
