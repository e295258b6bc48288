// The tables and how an older file becomes a newer one. Knows no row.

import { BinnacleError } from '@binnacle/protocol';
import { type Database, openDatabase } from './driver.ts';

/** Migration n brings a file from `user_version` n to n + 1. Append only: files of every version are out there. */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE sessions (
     id TEXT PRIMARY KEY, name TEXT NOT NULL, spec TEXT NOT NULL, state TEXT NOT NULL,
     runner TEXT, epoch TEXT, pid INTEGER, exit_code INTEGER, signal TEXT,
     head_place INTEGER, head_offset INTEGER,
     created_at INTEGER NOT NULL, exited_at INTEGER, deleted_at INTEGER
   ) STRICT;
   CREATE INDEX sessions_listed ON sessions (id) WHERE deleted_at IS NULL;
   CREATE INDEX sessions_deleted ON sessions (deleted_at) WHERE deleted_at IS NOT NULL;
   CREATE INDEX sessions_unfinished ON sessions (state) WHERE deleted_at IS NULL AND state NOT IN ('closed', 'lost');

   CREATE TABLE tokens (
     id TEXT PRIMARY KEY, name TEXT NOT NULL, scope TEXT NOT NULL, sha256 BLOB NOT NULL UNIQUE,
     created_at INTEGER NOT NULL, expires_at INTEGER, last_used INTEGER
   ) STRICT;

   CREATE TABLE logins (
     id TEXT PRIMARY KEY, name TEXT NOT NULL, scope TEXT NOT NULL, sha256 BLOB NOT NULL UNIQUE,
     issuer TEXT NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, last_used INTEGER
   ) STRICT;
   CREATE INDEX logins_issuer ON logins (issuer);

   CREATE TABLE leases (
     session_id TEXT PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
     holder TEXT, lease_sha256 BLOB, fence INTEGER NOT NULL
   ) STRICT;`,

  `CREATE TABLE commands (
     session_id TEXT PRIMARY KEY, deadline INTEGER, timed_out INTEGER NOT NULL DEFAULT 0
   ) STRICT;
   CREATE INDEX commands_due ON commands (deadline) WHERE deadline IS NOT NULL;

   CREATE TABLE ptys (
     id TEXT PRIMARY KEY, spec TEXT NOT NULL, created_at INTEGER NOT NULL
   ) STRICT;`,
];

/**
 * How long a statement waits for another connection's lock, in ms. The gateway is alone on the file; only a backup
 * or a curious person can hold it, and blocking the event loop longer than this would be felt by every viewer.
 */
const BUSY_TIMEOUT_MS = 1000;

/** Opens the catalogue and brings it to the newest schema. Throws `bad_data_dir` for a file of a newer version. */
export function openCatalogueFile(path: string): Database {
  const db = openDatabase(path);
  try {
    // NORMAL: a commit survives any kill of ours; a power loss may take the last ones, never the file.
    db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
             PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;`);
    migrate(db, path);
  } catch (error) {
    db.close();
    throw error;
  }
  return db;
}

function migrate(db: Database, path: string): void {
  const found = schemaVersion(db);
  if (found > MIGRATIONS.length) {
    throw new BinnacleError('bad_data_dir', {
      message: `${path} was written by a newer Binnacle (schema ${found}; this one knows ${MIGRATIONS.length}).`,
      hint: 'Start that version or a newer one, or pass another --data.',
    });
  }
  for (let version = found; version < MIGRATIONS.length; version += 1) {
    transaction(db, () => {
      db.exec(MIGRATIONS[version] ?? '');
      db.exec(`PRAGMA user_version = ${version + 1}`);
    });
  }
}

function schemaVersion(db: Database): number {
  const row = db.prepare('PRAGMA user_version').get() as { readonly user_version: number };
  return row.user_version;
}

/** Runs `work` in one transaction; what it throws rolls everything back. Not to be nested. */
export function transaction<T>(db: Database, work: () => T): T {
  db.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    db.exec('COMMIT');
    return result;
  } catch (error) {
    db.exec('ROLLBACK');
    throw error;
  }
}
