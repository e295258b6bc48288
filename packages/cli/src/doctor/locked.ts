// Work on a data directory that no gateway uses.

import { BinnacleError } from '@binnacle/protocol';
import { DataDirLock } from '@binnacle/server/maintenance';

/** Runs `work` while this process holds the lock of the directory; undefined if a gateway has the lock. */
export function locked<T>(dir: string, work: () => T): T | undefined {
  let lock: DataDirLock;
  try {
    lock = DataDirLock.take(dir);
  } catch (error) {
    if (error instanceof BinnacleError && error.code === 'data_dir_in_use') return undefined;
    throw error;
  }
  try {
    return work();
  } finally {
    lock.release();
  }
}
