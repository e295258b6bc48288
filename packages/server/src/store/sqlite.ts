// Selection of the SQLite of this process. No other file loads one.

import { createRequire } from 'node:module';
import { BinnacleError, isDiskFull } from '@binnacle/protocol';

export type SqlValue = string | number | bigint | null | Uint8Array;

/** The used part of `node:sqlite`'s DatabaseSync. `@photostructure/sqlite` 1.x has the same. */
export interface Database {
  exec(sql: string): void;
  prepare(sql: string): Statement;
  close(): void;
}

export interface Statement {
  run(...values: SqlValue[]): { readonly changes: number | bigint };
  get(...values: SqlValue[]): unknown;
  all(...values: SqlValue[]): unknown[];
  setReturnArrays?(isArray: boolean): void;
}

interface Driver {
  readonly DatabaseSync: new (path: string) => Database;
}

/** Opens a database file, or `:memory:`. Throws SQLite's own error. */
export const openDatabase = (path: string): Database => new (loadDriver().DatabaseSync)(path);

/** Returns true for the error of a lock of another connection (SQLITE_BUSY and its extended codes). */
export const isBusy = (error: unknown): boolean => errcode(error) === 5;

/** Returns the result of `write`. Throws `disk_full` on a full disk, and all other failures unchanged. */
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

/** Returns true for a violated PRIMARY KEY or UNIQUE. */
export const isDuplicate = (error: unknown): boolean =>
  error instanceof Error && 'errcode' in error && (error.errcode === 1555 || error.errcode === 2067);

// Node caches both loads, so later calls cost a map look-up.
function loadDriver(): Driver {
  return (builtin() ?? createRequire(import.meta.url)('@photostructure/sqlite')) as Driver;
}

// `node:sqlite` exists without a flag from Node 22.13 on; before that this returns undefined. Node 22 announces it as
// experimental on stderr, in the middle of a command's output. Only a small part of it is used, for which both drivers
// are tested, so that one warning is suppressed.
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
