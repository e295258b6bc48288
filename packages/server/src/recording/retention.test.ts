import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SessionId } from '@binnacle/protocol';
import { pino } from 'pino';
import { uuidv7 } from 'uuidv7';
import { expect, it } from 'vitest';
import { prepareDataDir } from '../data-dir/data-dir.ts';
import { Retention } from '../sessions/retention.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { Catalogue } from '../store/store.ts';

const HOUR_MS = 3600_000;
const spec = { argv: [], mode: 'pty', cwd: '', envNames: [], cols: 80, rows: 24, takesRuns: false } as const;

it('a recording of long ago is kept as long as what ended when it was imported', async () => {
  const root = mkdtempSync(join(tmpdir(), 'binnacle-recording-'));
  const catalogue = Catalogue.open(prepareDataDir(join(root, 'data')));
  const importedAt = (heardAt: number): SessionId => {
    const id = uuidv7() as SessionId;
    const foreign = {
      sessionId: `recording:${id}`,
      source: 'recording',
      labels: {},
      user: 'ada',
      producer: null,
      heardAt,
    };
    const row = { id, name: 'x', spec, state: 'closed', createdAt: 1_500_000_000_000 } as const;
    catalogue.foreign.insertWith(row, foreign, {
      exitedAt: 1_500_000_001_000,
      exitCode: 3,
      head: { place: 9, offset: 5 },
    });
    return id;
  };
  const deleted: SessionId[] = [];
  const sessions = { delete: async (id: SessionId) => void deleted.push(id) } as unknown as Sessions;
  const retention = new Retention(
    { catalogue, sessions, dir: join(root, 'sessions'), log: pino({ level: 'silent' }) },
    { retainMs: HOUR_MS, totalBytes: 1e9, maxFinished: 1e6, sweepMs: 60_000 },
  );
  const recent = importedAt(Date.now());
  const old = importedAt(Date.now() - 2 * HOUR_MS);
  await retention.sweep();
  expect(deleted).toEqual([old]);
  expect(catalogue.sessions.get(recent)).toMatchObject({ state: 'closed', exitCode: 3, head: { place: 9, offset: 5 } });
  await retention.stop();
  catalogue.close();
  rmSync(root, { recursive: true, force: true });
});
