// A journal: JSON lines on the disk, the newest in memory. Rotated by size. A full disk loses lines, but never stops
// the gateway.

import { appendFileSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { Timer } from '../base/timer.ts';

const MAX_UNWRITTEN = 256 * 1024;

export interface JournalOptions {
  readonly path: string;
  /** Maximum bytes of one file, and of the entries in memory. The previous file is retained as well. */
  readonly maxBytes: number;
  /** Maximum entries in memory. */
  readonly maxEntries: number;
  /** Maximum delay of a write. A kill loses at most the lines of this time. Default 200. */
  readonly flushMs?: number;
}

export class Journal<Entry extends object> {
  readonly #options: JournalOptions;
  readonly #timer = new Timer();
  #entries: Entry[] = [];
  /** Length of each entry as a line. */
  #sizes: number[] = [];
  #size = 0;
  #unwritten: string;
  #bytes: number;

  /** `parse`: returns undefined or throws for an invalid line, such as the last line after a kill. */
  constructor(options: JournalOptions, parse: (value: unknown) => Entry | undefined) {
    this.#options = options;
    mkdirSync(dirname(options.path), { recursive: true, mode: 0o700 });
    const lines = [...linesOf(`${options.path}.1`), ...linesOf(options.path)].slice(-options.maxEntries);
    for (const line of lines) {
      const entry = parseLine(line, parse);
      if (entry !== undefined) this.#keep(entry, line.length);
    }
    this.#bytes = sizeOf(options.path);
    // Ends a partial line that a kill may have left.
    this.#unwritten = this.#bytes > 0 ? '\n' : '';
  }

  /** Oldest first. */
  get entries(): readonly Entry[] {
    return this.#entries;
  }

  add(entry: Entry): void {
    const line = JSON.stringify(entry);
    this.#keep(entry, line.length);
    this.#unwritten += `${line}\n`;
    if (this.#unwritten.length > MAX_UNWRITTEN) this.flush();
    else this.#timer.setOnce(this.#options.flushMs ?? 200, () => this.flush());
  }

  #keep(entry: Entry, size: number): void {
    const { maxEntries, maxBytes } = this.#options;
    this.#entries.push(entry);
    this.#sizes.push(size);
    this.#size += size;
    // Trims in steps: moving thousands of entries for each line would dominate the cost.
    if (this.#entries.length <= maxEntries * 1.5 && this.#size <= maxBytes * 1.5) return;
    let dropped = 0;
    while (this.#entries.length - dropped > maxEntries || this.#size > maxBytes) {
      this.#size -= this.#sizes[dropped] ?? 0;
      dropped += 1;
    }
    this.#entries = this.#entries.slice(dropped);
    this.#sizes = this.#sizes.slice(dropped);
  }

  flush(): void {
    this.#timer.clear();
    if (this.#unwritten.length <= 1) return;
    const { path, maxBytes } = this.#options;
    const text = this.#unwritten;
    this.#unwritten = '';
    try {
      if (this.#bytes > maxBytes) {
        renameSync(path, `${path}.1`);
        this.#bytes = 0;
      }
      appendFileSync(path, text, { mode: 0o600 });
      this.#bytes += Buffer.byteLength(text);
    } catch {
      // No room on the disk. The entries stay in memory for now.
    }
  }

  close(): void {
    this.flush();
  }

  /** Removes all entries, in memory and on the disk. Entries can be added again. */
  clear(): void {
    this.#unwritten = '';
    this.#entries = [];
    this.#sizes = [];
    this.#size = 0;
    this.#bytes = 0;
    for (const path of [this.#options.path, `${this.#options.path}.1`]) rmSync(path, { force: true });
  }
}

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n');
  } catch {
    return [];
  }
}

function parseLine<Entry>(line: string, parse: (value: unknown) => Entry | undefined): Entry | undefined {
  if (line === '') return undefined;
  try {
    return parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
