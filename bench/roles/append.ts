// Role: appends records to a store as fast as it goes, or at a given rate, and notes how long the event loop was held.

import { closeSync, fdatasync, mkdirSync, openSync, writev } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { promisify } from 'node:util';
import { DatabaseSync } from '@photostructure/sqlite';
import { GroupSync } from '../../packages/server/src/log/group-sync.ts';
import { SegmentWriter } from '../../packages/server/src/log/segment-writer.ts';
import { onBenchMessage, sendToBench } from '../role.ts';

export interface AppendSpec {
  readonly store: 'segments' | 'writev' | 'sqlite';
  readonly dir: string;
  readonly recordBytes: number;
  readonly bytes: number;
  /** Bytes a second; as fast as it goes without. */
  readonly rate?: number;
}

export interface AppendReport {
  readonly ms: number;
  /** Of one append, while nobody else is served. */
  readonly usEach: number;
  readonly loopP99Ms: number;
}

interface Store {
  append(record: Buffer): void;
  /** Waits where the store has a queue of its own. */
  room(): Promise<void> | undefined;
  close(): Promise<void>;
}

/** What is appended before others have their turn: one read of a pipe. */
const TURN_BYTES = 64 * 1024;
const SYNC_MS = 50;
const turn = promisify(setImmediate);

export async function main(spec: AppendSpec): Promise<void> {
  onBenchMessage({});
  mkdirSync(spec.dir, { recursive: true });
  const store = { segments, writev: vectors, sqlite }[spec.store](spec.dir);
  const record = Buffer.alloc(spec.recordBytes, 'r');
  const loop = monitorEventLoopDelay({ resolution: 1 });
  loop.enable();
  const startedAt = performance.now();
  let inside = 0;
  for (let done = 0; done < spec.bytes; ) {
    const before = performance.now();
    for (let at = 0; at < TURN_BYTES; at += spec.recordBytes, done += spec.recordBytes) store.append(record);
    inside += performance.now() - before;
    await store.room();
    const aheadMs = spec.rate === undefined ? 0 : startedAt + (done / spec.rate) * 1000 - performance.now();
    if (aheadMs >= 1) await new Promise((resolve) => setTimeout(resolve, aheadMs));
    else await turn();
  }
  const ms = performance.now() - startedAt;
  loop.disable();
  await store.close();
  sendToBench('done', {
    ms,
    usEach: (inside * 1000) / (spec.bytes / spec.recordBytes),
    loopP99Ms: loop.percentile(99) / 1e6,
  } satisfies AppendReport);
}

function segments(dir: string): Store {
  const group = new GroupSync({ intervalMs: SYNC_MS });
  const log = SegmentWriter.create(join(dir, 'log'), { group });
  return {
    append: (record) => void log.append('stdout', record, Date.now()),
    room: () => undefined,
    close: () => log.close(),
  };
}

/** The bare loop: records put together up to 512 KiB, one `writev` under way, a sync every 50 ms. */
function vectors(dir: string): Store {
  const fd = openSync(join(dir, 'bare'), 'wx');
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  let writing: Promise<void> | undefined;
  const write = promisify(writev);
  const sync = setInterval(() => fdatasync(fd, () => undefined), SYNC_MS);
  const flush = async (): Promise<void> => {
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      waitingBytes = 0;
      await write(fd, batch);
    }
    writing = undefined;
  };
  return {
    append: (record) => {
      waiting.push(record);
      waitingBytes += record.length;
      writing ??= flush();
    },
    room: () => (waitingBytes >= 512 * 1024 ? writing : undefined),
    close: async () => {
      await writing;
      clearInterval(sync);
      await promisify(fdatasync)(fd);
      closeSync(fd);
    },
  };
}

/** WAL, synchronous NORMAL, a transaction for every 10 ms. */
function sqlite(dir: string): Store {
  const db = new DatabaseSync(join(dir, 'records.db'));
  db.exec(
    'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; CREATE TABLE records (n INTEGER PRIMARY KEY, data BLOB)',
  );
  const insert = db.prepare('INSERT INTO records (data) VALUES (?)');
  let begunAt = -1;
  return {
    append: (record) => {
      if (begunAt < 0) {
        db.exec('BEGIN');
        begunAt = performance.now();
      }
      insert.run(record);
      if (performance.now() - begunAt < 10) return;
      db.exec('COMMIT');
      begunAt = -1;
    },
    room: () => undefined,
    close: () => {
      if (begunAt >= 0) db.exec('COMMIT');
      db.close();
      return Promise.resolve();
    },
  };
}
