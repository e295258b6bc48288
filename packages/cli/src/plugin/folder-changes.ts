// Whether anything in a folder has changed since somebody looked, also files that an editor replaces. Looks at the files
// again and again: what the kernel tells of a folder misses those. Knows no plugin.

import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

const EVERY_MS = 300;
/** Of a large folder: most of the time is left to others. */
const REST = 4;
/** Looks at the same state before it counts: an editor writes a file in several steps, and several files at once. */
const SETTLED = 2;
/** Something that is written without end is no reason to wait without end. */
const MAX_UNSETTLED = 10;
/** As of a plugin that can be installed. */
const MAX_FILES = 10_000;
const MAX_DEPTH = 32;
const IGNORED = /^(?:\.|node_modules$)/;

export class FolderChanges {
  readonly #dir: string;
  readonly #everyMs: number;
  /** Undefined: nobody has looked yet. */
  #seen: string | undefined;

  constructor(dir: string, everyMs = EVERY_MS) {
    this.#dir = dir;
    this.#everyMs = everyMs;
  }

  /** What is there now is known. To be called before it is read: what changes behind that is a change. */
  async look(): Promise<void> {
    this.#seen = await stampOf(this.#dir);
  }

  /** Settles when it is another one than was seen last, and counts that as seen. False: it is over. */
  async next(signal: AbortSignal): Promise<boolean> {
    let before = this.#seen;
    let same = 0;
    for (let unsettled = 0; !signal.aborted; ) {
      const started = performance.now();
      const now = await stampOf(this.#dir);
      same = now === before ? same + 1 : 1;
      before = now;
      if (now !== this.#seen) {
        unsettled += 1;
        if (same >= SETTLED || unsettled >= MAX_UNSETTLED) {
          this.#seen = now;
          return !signal.aborted;
        }
      }
      await pause(Math.max(this.#everyMs, REST * (performance.now() - started)), signal);
    }
    return false;
  }
}

/** Of each file its place, what it is, and when it was written: a file that takes the place of another has another number. */
async function stampOf(root: string): Promise<string> {
  const found: string[] = [];
  const visit = async (below: string, depth: number): Promise<void> => {
    // What is gone in this moment is seen as gone at the next look.
    const entries = await readdir(join(root, below), { withFileTypes: true }).catch(() => []);
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (IGNORED.test(entry.name) || found.length >= MAX_FILES) continue;
      const path = join(below, entry.name);
      const stat = await lstat(join(root, path), { bigint: true }).catch(() => undefined);
      if (stat === undefined) continue;
      // Of a folder only that it is there: what is ignored in it changes its times.
      const facts = entry.isDirectory() ? [] : [stat.ino, stat.size, stat.mode, stat.mtimeNs, stat.ctimeNs];
      found.push([path, ...facts].join(' '));
      if (entry.isDirectory() && depth < MAX_DEPTH) await visit(path, depth + 1);
    }
  };
  await visit('', 1);
  return found.join('\n');
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}
