// The log of a plugin: its output and the gateway's notes about it, as numbered lines that clients can follow.

import { join } from 'node:path';
import type { PluginLog as LogPage, PluginLogLine } from '@binnacle/protocol';
import { z } from 'zod';
import { Journal } from './journal.ts';

const MAX_BYTES = 1024 * 1024;
const MAX_LINES = 2000;
const MAX_PAGE = 500;
const MAX_TEXT = 8192;
/** Interval within which an equal note is dropped, and in which at most MAX_NOTES different ones are added. */
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
    // Never reuses a number that a client may have seen, even if the log was removed since.
    this.#last = Math.max(this.#journal.entries.at(-1)?.n ?? 0, Date.now());
  }

  add(stream: PluginLogLine['stream'], text: string): void {
    this.#last += 1;
    this.#journal.add({ n: this.#last, at: Date.now(), stream, text: text.slice(0, MAX_TEXT) });
    for (const wake of [...this.#waiting]) wake();
  }

  /** Adds a note of the gateway, throttled: the plugin may trigger it as often as it likes. */
  note(text: string): void {
    const line = text.slice(0, MAX_TEXT);
    const now = performance.now();
    for (const [noted, at] of this.#notedAt) if (now - at >= NOTE_MS) this.#notedAt.delete(noted);
    if (this.#isQuiet || this.#notedAt.has(line) || this.#notedAt.size >= MAX_NOTES) return;
    this.#notedAt.set(line, now);
    this.add('gateway', line);
  }

  /** Returns lines after `after`. Without `after`, the newest lines that fit into a page. */
  read(after: number | undefined): LogPage {
    // Flushes first: numbers of lines that a client has seen must not be reused after a kill.
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

  /** Ends all waits when the gateway stops. */
  quiet(): void {
    this.#isQuiet = true;
    for (const wake of [...this.#waiting]) wake();
  }

  close(): void {
    this.quiet();
    this.#journal.close();
  }

  /** Clears the log of a removed plugin. A later plugin of that name continues the numbers. */
  clear(): void {
    this.#journal.clear();
    for (const wake of [...this.#waiting]) wake();
  }
}
