// The machine for one measuring test file at a time. The others run beside it: a measurement counts, or compares with
// what was measured in the same minute, and does not rely on an idle machine.

import { mkdirSync } from 'node:fs';
import { userInfo } from 'node:os';
import { beforeAll } from 'vitest';
import { DataDirLock } from '../../packages/server/src/store/lock.ts';
import { atEnd } from './teardown.ts';

/** Not below os.tmpdir(), which is another one in each run. */
const LOCK = `/tmp/binnacle-measuring-${userInfo().uid}`;
const LOOK_EVERY_MS = 50;
/** All that can be before us. */
const MAX_WAIT_MS = 20 * 60_000;

/** Call it at the top of a file that measures times or memory: the file waits until no other such file runs. */
export function measuresAlone(): void {
  beforeAll(async () => {
    mkdirSync(LOCK, { recursive: true, mode: 0o700 });
    let lock: DataDirLock | undefined;
    while (lock === undefined) {
      try {
        lock = DataDirLock.take(LOCK);
      } catch (error) {
        if ((error as { code?: string }).code !== 'data_dir_in_use') throw error;
        await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      }
    }
    atEnd(() => lock.release());
  }, MAX_WAIT_MS);
}
