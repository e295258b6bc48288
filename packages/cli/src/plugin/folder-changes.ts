// Detects changes in a folder by polling, including files that an editor replaces: the kernel's notifications for a
// folder miss those.

import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

const EVERY_MS = 300;
/** Minimum pause as a multiple of the scan time: a large folder must not occupy the machine. */
const REST = 4;
/** Equal scans before a change counts: an editor writes a file in several steps, and several files at once. */
const SETTLED = 2;
/** Maximum scans before a change counts anyway: continuous writes must not delay it for ever (starvation). */
const MAX_UNSETTLED = 10;
/** Limits of an installable plugin. */
const MAX_FILES = 10_000;
const MAX_DEPTH = 32;
const IGNORED = /^(?:\.|node_modules$)/;

export class FolderChanges {
  readonly #dir: string;
  readonly #everyMs: number;
  /** State at the last scan; undefined before the first one. */
  #seen: string | undefined;

  constructor(dir: string, everyMs = EVERY_MS) {
    this.#dir = dir;
    this.#everyMs = everyMs;
  }

  /** Records the current state. Call before reading the folder: later changes then count as changes. */
  async record(): Promise<void> {
    this.#seen = await stampOf(this.#dir);
  }

  /** Resolves when the state differs from the recorded one, and records it. False: aborted. */
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

/** Returns path, identity and times of each file: a replacement has another inode number. */
async function stampOf(root: string): Promise<string> {
  const found: string[] = [];
  const visit = async (below: string, depth: number): Promise<void> => {
    // A file that disappears now is noticed at the next scan.
    const entries = await readdir(join(root, below), { withFileTypes: true }).catch(() => []);
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (IGNORED.test(entry.name) || found.length >= MAX_FILES) continue;
      const path = join(below, entry.name);
      const stat = await lstat(join(root, path), { bigint: true }).catch(() => undefined);
      if (stat === undefined) continue;
      // Only the existence of a folder counts: ignored files in it change its times.
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
