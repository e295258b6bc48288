// The file of the index: its tables, and the replacement of a damaged file. Everything in it is derived from the logs,
// so an unusable file is deleted.

import { lstatSync, renameSync, rmSync } from 'node:fs';
import { isDiskFull } from '@binnacle/protocol';
import { createPrivateFile } from '../data-dir/data-dir.ts';
import { type Database, isBusy, openDatabase } from '../store/sqlite.ts';

/** One tokenizer, both for the index and for finding the words again in a hit. */
export const TOKENIZER = `tokenize="unicode61 remove_diacritics 2"`;

/** The tables, as steps from one version to the next: an older file gets the missing steps. */
const VERSIONS = [
  `
  -- place, offset: where reading goes on, at the beginning of a text that is not whole yet.
  -- marks: events up to that place were taken. kept_from: output before it is not kept any more.
  CREATE TABLE logs (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, conversation TEXT,
    foreign_id TEXT, source TEXT, labels TEXT NOT NULL, epoch TEXT NOT NULL,
    place INTEGER NOT NULL, offset INTEGER NOT NULL, marks INTEGER NOT NULL, kept_from INTEGER NOT NULL,
    gone INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX logs_foreign ON logs (foreign_id) WHERE foreign_id IS NOT NULL;
  CREATE INDEX logs_gone ON logs (n) WHERE gone = 1;

  -- id: see row-ids.ts. at, bytes: its output in the log.
  CREATE TABLE docs (id INTEGER PRIMARY KEY, log INTEGER NOT NULL, at INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT;
  CREATE INDEX docs_log ON docs (log, at);
  CREATE VIRTUAL TABLE words USING fts5(text, content='', contentless_delete=1, ${TOKENIZER});
  INSERT INTO words (words, rank) VALUES ('hashsize', 8388608);

  CREATE TABLE commands (n INTEGER PRIMARY KEY, log INTEGER NOT NULL, folded TEXT NOT NULL) STRICT;
  CREATE INDEX commands_log ON commands (log);
  CREATE TABLE events (
    id INTEGER PRIMARY KEY, log INTEGER NOT NULL, seq INTEGER, at INTEGER, command INTEGER, command_preview TEXT,
    response_preview TEXT, exit_code INTEGER, signal TEXT, is_final INTEGER NOT NULL,
    size INTEGER NOT NULL, lost_bytes INTEGER NOT NULL, offset INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX events_log ON events (log, id);
  CREATE TABLE hours (
    hour INTEGER NOT NULL, log INTEGER NOT NULL, events INTEGER NOT NULL, bytes INTEGER NOT NULL,
    failures INTEGER NOT NULL, PRIMARY KEY (hour, log)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX hours_log ON hours (log);`,

  `-- block: its words are in the filter of that slot; null: they are in the full-text index. is_plain: its output is
  -- ASCII, with the letters of each word together.
  ALTER TABLE docs ADD COLUMN block INTEGER;
  ALTER TABLE docs ADD COLUMN is_plain INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX docs_small ON docs (id) WHERE block IS NULL;
  -- slot: group and column of its filter. first, last: ids of its documents. common: hashes of words in each of them.
  CREATE TABLE blocks (
    slot INTEGER PRIMARY KEY, log INTEGER NOT NULL, place INTEGER NOT NULL, at INTEGER NOT NULL, bytes INTEGER NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, common BLOB NOT NULL
  ) STRICT;
  CREATE INDEX blocks_log ON blocks (log, at);
  -- Filters of the incomplete group, one a row; the filters of complete groups, transposed.
  CREATE TABLE filters (slot INTEGER PRIMARY KEY, bits BLOB NOT NULL) STRICT;
  CREATE TABLE filter_rows (part INTEGER PRIMARY KEY, bits BLOB NOT NULL) STRICT;`,

  `-- Messages of conversations, by their ordinals in the catalogue. id: see row-ids.ts. taken: the newest that is here.
  CREATE TABLE conversations (n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, taken INTEGER NOT NULL) STRICT;
  CREATE TABLE messages (
    id INTEGER PRIMARY KEY, conversation INTEGER NOT NULL, n INTEGER NOT NULL, chars INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX messages_conversation ON messages (conversation, n);
  CREATE VIRTUAL TABLE message_words USING fts5(text, content='', contentless_delete=1, ${TOKENIZER});
  -- The file that the messages are from.
  CREATE TABLE catalogue (file TEXT NOT NULL) STRICT;`,

  `-- Words that nearly all documents of a block have, and the documents without them (block-index.ts).
  ALTER TABLE blocks ADD COLUMN gaps BLOB;`,

  `-- Words that all documents of blocks of a complete group have (group-terms.ts).
  CREATE TABLE group_terms (n INTEGER PRIMARY KEY, terms BLOB NOT NULL) STRICT;`,
];

/** Opens the index. `isNew`: there was none, or none that could be used. Throws SQLite's errors for a full disk. */
export function openIndex(path: string): { readonly db: Database; readonly isNew: boolean } {
  try {
    const db = open(path);
    const { user_version } = db.prepare('PRAGMA user_version').get() as { user_version: number };
    if (user_version > 0 && user_version <= VERSIONS.length) {
      bringUp(db, user_version);
      // Reads the first pages, where damage is found now; other damage is found when its page is read.
      db.prepare('SELECT count(*) FROM logs').get();
      db.prepare('SELECT max(id) FROM docs').get();
      return { db, isNew: false };
    }
    db.close();
  } catch (error) {
    // Any other unusable file, damaged, unreadable, a directory: the logs have its contents.
    if (isDiskFull(error) || isBusy(error)) throw error;
  }
  removeIndex(path);
  const db = open(path);
  bringUp(db, 0);
  return { db, isNew: true };
}

function bringUp(db: Database, from: number): void {
  if (from === VERSIONS.length) return;
  db.exec(`BEGIN; ${VERSIONS.slice(from).join('\n')} PRAGMA user_version = ${VERSIONS.length}; COMMIT`);
}

/** Removes the index. No process may have it open. */
export function removeIndex(path: string): void {
  for (const suffix of ['', '-wal', '-shm', '-journal']) {
    const stat = lstatSync(path + suffix, { throwIfNoEntry: false });
    // A directory is not from this program, and its contents may be missed.
    if (stat?.isDirectory() === true) renameSync(path + suffix, `${path}${suffix}.aside-${Date.now()}`);
    else rmSync(path + suffix, { force: true });
  }
}

function open(path: string): Database {
  createPrivateFile(path);
  const db = openDatabase(path);
  try {
    // NORMAL: a power loss may lose the last commits, but never the file; the logs have their contents.
    db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000;
             PRAGMA cache_size = -16384; PRAGMA wal_autocheckpoint = 4000; PRAGMA temp_store = MEMORY;
             PRAGMA trusted_schema = OFF;`);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** SQLITE_CORRUPT, SQLITE_NOTADB. */
export const isDamaged = (error: unknown): boolean => [11, 26].includes(codeOf(error) ?? -1);

function codeOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined;
  return error.errcode & 0xff;
}
