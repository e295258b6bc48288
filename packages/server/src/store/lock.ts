// The exclusive lock of a data directory: one gateway at a time. The kernel frees it when the process dies.

import { join } from 'node:path';
import { BinnacleError } from '@binnacle/protocol';
import { createPrivateFile } from '../data-dir/data-dir.ts';
import { readGatewayFile } from '../data-dir/gateway-file.ts';
import { type Database, isBusy, openDatabase } from './sqlite.ts';

export class DataDirLock {
  readonly #db: Database;

  private constructor(db: Database) {
    this.#db = db;
  }

  /**
   * Takes DIR/lock.db for this process. Throws `data_dir_in_use`.
   * The file must not be opened by anything else in this process: closing any descriptor of it would free the
   * lock (POSIX record locks belong to the process, not to the descriptor).
   */
  static take(dir: string): DataDirLock {
    const path = join(dir, 'lock.db');
    createPrivateFile(path);
    const db = openDatabase(path);
    try {
      // No busy_timeout: a holder has the lock for its lifetime.
      db.exec('PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    } catch (error) {
      db.close();
      if (isBusy(error)) throw inUse(dir, error);
      throw error;
    }
    return new DataDirLock(db);
  }

  release(): void {
    this.#db.close();
  }
}

/** Makes the error. Names the other gateway if it has written its file: during its start it has not. */
function inUse(dir: string, cause: unknown): BinnacleError {
  const other = readGatewayFile(dir);
  if (other === undefined) return new BinnacleError('data_dir_in_use', { details: { dir }, cause });
  const { url, pid } = other;
  const message = `Another gateway uses this data directory: ${url}, process ${pid}.`;
  return new BinnacleError('data_dir_in_use', { message, details: { dir, url, pid }, cause });
}
