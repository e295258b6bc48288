// The screens of one session that are kept on the disk, each a file that names its position. Any of them may be lost at
// any time: they are made anew from the log. Knows no emulator.

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateSync, inflateSync } from 'node:zlib';
import { z } from 'zod';

/** Another one's are thrown away. Grows with what is written, and with the emulator. */
const VERSION = 1;
/** A gap is some 6 % of the way to the end: those who look back and forth are never far from one. */
const MAX_COUNT = 96;
const MAX_BYTES = 4 * 1024 * 1024;
/** Of one, unpacked. */
export const MAX_TEXT = 1024 * 1024;

const Kept = z.object({
  epoch: z.string().max(64),
  place: z.number(),
  offset: z.number(),
  cols: z.number(),
  rows: z.number(),
  data: z.string().max(MAX_TEXT),
  scrollback: z.number(),
  drawnFrom: z.number(),
  exact: z.boolean(),
});
export type Checkpoint = z.output<typeof Kept>;

export class Checkpoints {
  readonly #dir: string;

  /** `dir`: of the session. */
  constructor(dir: string) {
    this.#dir = join(dir, 'screens');
  }

  /** The newest one at or before an offset that can be read, of that epoch, not before what the log still has. */
  nearest(
    offset: number,
    { epoch, oldest }: { readonly epoch: string; readonly oldest: number },
  ): Checkpoint | undefined {
    for (const at of this.#list().reverse()) {
      if (at > offset || at < oldest) continue;
      const found = this.#read(at);
      if (found?.epoch === epoch) return found;
      rmSync(this.#path(at), { force: true });
    }
    return undefined;
  }

  /** Keeps one, and takes away what is too much. A full disk is no reason to fail: the log says the same. */
  keep(checkpoint: Checkpoint, oldest: number): void {
    try {
      mkdirSync(this.#dir, { recursive: false, mode: 0o700 });
    } catch (error) {
      // Where the session was deleted it is not made again.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return;
    }
    const path = this.#path(checkpoint.offset);
    const begun = `${path}.${process.pid}-${Math.random().toString(36).slice(2)}.tmp`;
    try {
      writeFileSync(begun, deflateSync(JSON.stringify(checkpoint), { level: 1 }), { mode: 0o600 });
      renameSync(begun, path);
      this.#prune(oldest);
    } catch {
      rmSync(begun, { force: true });
    }
  }

  #read(at: number): Checkpoint | undefined {
    try {
      const text = inflateSync(readFileSync(this.#path(at)), { maxOutputLength: 4 * MAX_TEXT }).toString();
      return Kept.parse(JSON.parse(text));
    } catch {
      return undefined;
    }
  }

  /** The nearer to the end, the closer they stand: most is asked for there. */
  #prune(oldest: number): void {
    let all = this.#list();
    for (const at of all) if (at < oldest) rmSync(this.#path(at), { force: true });
    all = all.filter((at) => at >= oldest);
    let bytes = all.reduce((sum, at) => sum + (statSync(this.#path(at), { throwIfNoEntry: false })?.size ?? 0), 0);
    while (all.length > 1 && (all.length > MAX_COUNT || bytes > MAX_BYTES)) {
      const end = (all.at(-1) ?? 0) + 1;
      let least = { index: 0, worth: Number.POSITIVE_INFINITY };
      for (let index = 0; index < all.length - 1; index++) {
        const gap = (all[index + 1] ?? 0) - (all[index - 1] ?? 0);
        const worth = gap / (end - (all[index] ?? 0));
        if (worth < least.worth) least = { index, worth };
      }
      const [at] = all.splice(least.index, 1);
      if (at === undefined) return;
      bytes -= statSync(this.#path(at), { throwIfNoEntry: false })?.size ?? 0;
      rmSync(this.#path(at), { force: true });
    }
  }

  /** Their offsets, in order. Files of another version, and what was left half-written, are taken away. */
  #list(): number[] {
    let names: string[];
    try {
      names = readdirSync(this.#dir);
    } catch {
      return [];
    }
    const offsets: number[] = [];
    for (const name of names) {
      const [, offset, version] = /^(\d{1,16})\.v(\d+)$/.exec(name) ?? [];
      if (offset !== undefined && Number(version) === VERSION) offsets.push(Number(offset));
      else if (!name.endsWith('.tmp') || isOld(join(this.#dir, name))) rmSync(join(this.#dir, name), { force: true });
    }
    return offsets.sort((a, b) => a - b);
  }

  #path(offset: number): string {
    return join(this.#dir, `${offset}.v${VERSION}`);
  }
}

/** Somebody else may be writing it. */
const isOld = (path: string): boolean => {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat !== undefined && Math.abs(Date.now() - stat.mtimeMs) > 60_000;
};
