// Sessions with a real runner in a directory of their own, without a gateway. npm test builds the runner first.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pino } from 'pino';
import { prepareDataDir } from '../../data-dir/data-dir.ts';
import { Fleet } from '../../runner/client/fleet.ts';
import { SESSION_LEASE_TIMES } from '../../sessions/lease.ts';
import { Sessions } from '../../sessions/sessions.ts';
import { Catalogue } from '../../store/store.ts';

const RUNNER = resolve(import.meta.dirname, '../../../dist/runner.mjs');
const MIB = 1024 * 1024;

export interface TestSessions {
  /** Home of the programs. */
  readonly root: string;
  readonly sessions: Sessions;
  /** Ends and deletes all sessions. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

export async function openTestSessions(): Promise<TestSessions> {
  const root = mkdtempSync(join(tmpdir(), 'bt-'));
  const dir = prepareDataDir(join(root, 'd'));
  const catalogue = Catalogue.open(dir);
  const log = pino({ level: 'silent' });
  const env = { PATH: process.env.PATH ?? '', HOME: root };
  const fleet = new Fleet(
    {
      ...{ root: dir, dir: join(dir, 'r'), socketDir: root, script: RUNNER },
      ...{ programsPerRunner: 8, syncMs: 0, orphanMs: 1000, env },
    },
    log,
  );
  const sessions = new Sessions(
    {
      dir: join(dir, 's'),
      ...{ maxSessions: 100, segmentBytes: 64 * 1024, retainBytes: MIB, retainMs: 3600_000, maxInputBytes: MIB },
      ...{ maxQueuedRuns: 1, maxEndedRuns: 1, leaseTimes: SESSION_LEASE_TIMES },
      ...{ endingTimes: { hupMs: 100, termMs: 200 }, passEnv: [], pageCacheBytes: MIB },
    },
    { catalogue, log, fleet },
  );
  await sessions.recover();
  return {
    root,
    sessions,
    async clear() {
      const { sessions: all } = await sessions.list({ limit: 1000 });
      await Promise.all(all.map(({ id }) => sessions.delete(id)));
    },
    async close() {
      sessions.close();
      await fleet.close();
      catalogue.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}
