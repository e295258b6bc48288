// Which SQLite this process runs on. The only file that loads one; knows no table.

import { createRequire } from 'node:module';
import { BinnacleError, isDiskFull } from '@binnacle/protocol';

export type SqlValue = string | number | bigint | null | Uint8Array;

/** The part of `node:sqlite`'s DatabaseSync that is used. `@photostructure/sqlite` 1.x has the same. */
export interface Database {
  exec(sql: string): void;
  prepare(sql: string): Statement;
  close(): void;
}

export interface Statement {
  run(...values: SqlValue[]): { readonly changes: number | bigint };
  get(...values: SqlValue[]): unknown;
  all(...values: SqlValue[]): unknown[];
}

interface Driver {
  readonly DatabaseSync: new (path: string) => Database;
}

/** Opens a database file, or `:memory:`. Throws SQLite's own error. */
export const openDatabase = (path: string): Database => new (loadDriver().DatabaseSync)(path);

/** True for the error of a lock that another connection holds (SQLITE_BUSY and its extended codes). */
export const isBusy = (error: unknown): boolean => errcode(error) === 5;

/** What `write` gives. Throws `disk_full` where there is no room for it, and whatever else it throws. */
export function toDisk<T>(write: () => T): T {
  try {
    return write();
  } catch (error) {
    throw isDiskFull(error) ? BinnacleError.of(error) : error;
  }
}

function errcode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined;
  return error.errcode & 0xff;
}

/** True for a violated PRIMARY KEY or UNIQUE. */
export const isDuplicate = (error: unknown): boolean =>
  error instanceof Error && 'errcode' in error && (error.errcode === 1555 || error.errcode === 2067);

// Both loads are cached by Node, so this costs a map look-up after the first.
function loadDriver(): Driver {
  return (builtin() ?? createRequire(import.meta.url)('@photostructure/sqlite')) as Driver;
}

// `node:sqlite` is there without a flag from Node 22.13 on; before that this answers undefined.
// Node 22 announces it as experimental on stderr, in the middle of whatever a command prints. We use a
// small, pinned-down part of it that both drivers are tested for, so that one warning is not passed on.
function builtin(): object | undefined {
  const { emitWarning } = process;
  process.emitWarning = (warning: string | Error, ...rest: unknown[]): void => {
    if (String(warning).includes('SQLite is an experimental feature')) return;
    Reflect.apply(emitWarning, process, [warning, ...rest]);
  };
  try {
    return process.getBuiltinModule('node:sqlite');
  } finally {
    process.emitWarning = emitWarning;
  }
}
