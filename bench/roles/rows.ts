// Role: keeps the same events without a gateway: as rows of SQLite, or at the end of a file for each session.

import { mkdirSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { onBenchMessage, sendToBench } from '../role.ts';

export interface RowsSpec {
  readonly store: 'sqlite' | 'files';
  readonly dir: string;
  readonly producers: number;
  readonly batches: number;
  readonly batch: number;
  readonly chunkBytes: number;
}

export interface RowsReport {
  readonly ms: number;
}

export async function main(spec: RowsSpec): Promise<void> {
  onBenchMessage({});
  mkdirSync(spec.dir, { recursive: true });
  const ms = await { sqlite, files }[spec.store](spec);
  sendToBench('done', { ms } satisfies RowsReport);
}

/** WAL, synchronous NORMAL, one transaction for each batch. */
function sqlite({ dir, producers, batches, batch, chunkBytes }: RowsSpec): Promise<number> {
  const db = new DatabaseSync(join(dir, 'events.db'));
  db.exec(
    `PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
     CREATE TABLE events (id INTEGER PRIMARY KEY, session TEXT, seq INTEGER, at INTEGER, output BLOB);
     CREATE UNIQUE INDEX events_once ON events (session, seq);`,
  );
  const insert = db.prepare('INSERT OR IGNORE INTO events (session, seq, at, output) VALUES (?, ?, ?, ?)');
  const chunk = Buffer.alloc(chunkBytes, 'binnacle ');
  const startedAt = performance.now();
  for (let n = 0; n < batches; n += 1) {
    for (let producer = 0; producer < producers; producer += 1) {
      db.exec('BEGIN');
      for (let at = 0; at < batch; at += 1) insert.run(`run-${producer}`, n * batch + at, Date.now(), chunk);
      db.exec('COMMIT');
    }
  }
  const ms = performance.now() - startedAt;
  db.close();
  return Promise.resolve(ms);
}

/** One call for each batch, one after the other for each session, all sessions at once. */
async function files({ dir, producers, batches, batch, chunkBytes }: RowsSpec): Promise<number> {
  const bytes = Buffer.alloc(chunkBytes * batch, 'binnacle ');
  const startedAt = performance.now();
  const loop = async (path: string): Promise<void> => {
    for (let n = 0; n < batches; n += 1) await appendFile(path, bytes);
  };
  await Promise.all(Array.from({ length: producers }, (_, n) => loop(join(dir, `run-${n}`))));
  return performance.now() - startedAt;
}
