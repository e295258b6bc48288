// A disk of a few megabytes, so that it can be full. Knows no gateway: what makes its directory meanwhile is on it.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface SmallDisk {
  readonly dir: string;
  /** Bytes. */
  free(): number;
  /** Takes so many bytes, of which none is left behind by `empty`. */
  take(bytes: number): void;
  /** To the last page. */
  fill(): void;
  /** Gives back what `take` and `fill` took. */
  empty(): void;
  /** What `open` makes in the temporary directory, it makes here. */
  within<T>(open: () => Promise<T>): Promise<T>;
  remove(): void;
}

const PAGE = 64 * 1024;

/** Where we may not mount one: the reason, for the name of what is skipped. */
export function mountSmallDisk(mib: number): SmallDisk | { readonly reason: string } {
  const dir = mkdtempSync(join(tmpdir(), 'binnacle-disk-'));
  const ballast = join(dir, 'ballast');
  const size = `size=${mib}m,mode=0700`;
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', size, 'binnacle-test', dir], { stdio: 'pipe' });
  } catch (error) {
    rmSync(dir, { recursive: true });
    return { reason: String(error).split('\n')[1] ?? String(error) };
  }
  return {
    dir,
    free: () => statfsSync(dir).bavail * statfsSync(dir).bsize,
    take: (bytes) => writeFileSync(ballast, Buffer.alloc(bytes), { flag: 'a' }),
    fill: () => {
      for (let bytes = PAGE; bytes >= 1; ) {
        try {
          writeFileSync(ballast, Buffer.alloc(bytes), { flag: 'a' });
        } catch (error) {
          if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
          // As much of it as there was room for; then what is smaller.
          bytes = Math.floor(bytes / 2);
        }
      }
    },
    empty: () => rmSync(ballast, { force: true }),
    within: async (open) => {
      const before = process.env.TMPDIR;
      process.env.TMPDIR = dir;
      try {
        return await open();
      } finally {
        if (before === undefined) delete process.env.TMPDIR;
        else process.env.TMPDIR = before;
      }
    },
    remove: () => {
      execFileSync('umount', ['-l', dir]);
      rmSync(dir, { recursive: true });
    },
  };
}
