// Check of the catalogue's file, and error messages for a damaged file. Changes nothing.

import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { BinnacleError, isDiskFull } from '@binnacle/protocol';
import type { Database } from './sqlite.ts';

const MAGIC = Buffer.from('SQLite format 3\0', 'latin1');
/** Maximum bytes of a file whose pages are all checked: at 1 GiB/s a start waits for a quarter of a second. */
const MAX_CHECKED_BYTES = 256 * 1024 * 1024;

/** SQLITE_ERROR (a missing table), CORRUPT, NOTADB, FORMAT. */
const DAMAGE: readonly number[] = [1, 11, 26, 24];
/** SQLITE_IOERR. `isDiskFull` has already recognised its variants for a full disk. */
const IOERR = 10;

/**
 * Checks the header before SQLite opens the file: another beginning is no database, and for an emptied file SQLite
 * would remove the journal.
 */
export function checkHeader(path: string): void {
  const { size } = statSync(path);
  if (size === 0) {
    const wal = statSync(`${path}-wal`, { throwIfNoEntry: false });
    if (wal !== undefined && wal.size > 0) throw damaged(path, 'it is empty, and its journal (-wal) is not');
    return;
  }
  const head = Buffer.alloc(MAGIC.length);
  const fd = openSync(path, 'r');
  try {
    readSync(fd, head, 0, head.length, 0);
  } finally {
    closeSync(fd);
  }
  if (!head.equals(MAGIC)) throw damaged(path, 'it does not begin as a database does');
}

/** Checks all pages of an open database. Throws `catalogue_damaged`. */
export function checkPages(db: Database, path: string): void {
  if (existsSync(path) && statSync(path).size > MAX_CHECKED_BYTES) return;
  const row = db.prepare('PRAGMA quick_check(1)').get() as { readonly quick_check: string } | undefined;
  const found = row?.quick_check ?? 'nothing is in it';
  if (found !== 'ok') throw damaged(path, found.replace(/\s+/g, ' ').slice(0, 200));
}

/** Converts a failure of SQLite or the system to an error that names the file and the remedy. */
export function explained(path: string, error: unknown): unknown {
  if (error instanceof BinnacleError) return error;
  if (isDiskFull(error)) return BinnacleError.of(error);
  if (!(error instanceof Error)) return error;
  const { errcode, code } = error as { readonly errcode?: unknown; readonly code?: unknown };
  const kind = typeof errcode === 'number' ? errcode & 0xff : undefined;
  if (kind !== undefined && (DAMAGE.includes(kind) || kind === IOERR)) return damaged(path, error.message, error);
  if (kind === undefined && typeof code !== 'string') return error;
  return new BinnacleError('bad_data_dir', {
    message: `${path} cannot be opened: ${error.message}.`,
    hint: 'Check the owner and the mode of this file and of those beside it (-wal, -shm).',
    cause: error,
  });
}

const damaged = (path: string, what: string, cause?: unknown): BinnacleError =>
  new BinnacleError('catalogue_damaged', {
    message: `${path} is damaged: ${what}.`,
    hint: `Rebuild it from the logs, and from its readable parts: binnacle doctor --rebuild-catalogue --data '${dirname(path)}'`,
    details: { path },
    cause,
  });
