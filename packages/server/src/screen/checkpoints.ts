// Checkpoints of one session's screen on the disk, one file each, named by its position. Any of them may be lost at any
// time: they are made again from the log.

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateSync, inflateSync } from 'node:zlib';
import { z } from 'zod';

/** Version of the files; others are deleted. Increases with the format, and with the emulator. */
const VERSION = 1;
/**
 * Maximum checkpoints of a session. The distance of two is then some 6 % of the distance to the end, so that every
 * position is close to one.
 */
const MAX_COUNT = 96;
const MAX_BYTES = 4 * 1024 * 1024;
/** Maximum size of one, uncompressed. */
export const MAX_TEXT = 1024 * 1024;

const CheckpointFile = z.object({
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
export type Checkpoint = z.output<typeof CheckpointFile>;

export class Checkpoints {
  readonly #dir: string;

  /** `dir`: directory of the session. */
  constructor(dir: string) {
    this.#dir = join(dir, 'screens');
  }

  /**
   * Returns the newest readable checkpoint at or before an offset, of the same epoch, and not before the oldest output
   * in the log.
   */
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

  /**
   * Stores a checkpoint, and removes those beyond the limits. A full disk causes no error: the log has the same
   * contents.
   */
  keep(checkpoint: Checkpoint, oldest: number): void {
    try {
      mkdirSync(this.#dir, { recursive: false, mode: 0o700 });
    } catch (error) {
      // The directory of a deleted session is not made again.
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
      return CheckpointFile.parse(JSON.parse(text));
    } catch {
      return undefined;
    }
  }

  /** Removes checkpoints so that they are denser near the end, where most are read. */
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

  /** Lists the offsets in order. Removes files of another version, and incomplete ones. */
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

/** False for a recent file, which another process may be writing. */
const isOld = (path: string): boolean => {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat !== undefined && Math.abs(Date.now() - stat.mtimeMs) > 60_000;
};
