import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SessionId, SessionState } from '@binnacle/protocol';
import { pino } from 'pino';
import { uuidv7 } from 'uuidv7';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inAll } from '../../../../test/support/count.ts';
import { SetClocks } from '../base/clocks.fixture.ts';
import { TrustedTime } from '../base/trusted-time.ts';
import { prepareDataDir } from '../data-dir/data-dir.ts';
import { Catalogue } from '../store/store.ts';
import { Retention, type RetentionRules } from './retention.ts';
import type { Sessions } from './sessions.ts';

const HOUR_MS = 3600_000;
const spec = { argv: ['true'], mode: 'pipe', cwd: '/', envNames: [], cols: 80, rows: 24, takesRuns: false } as const;

let root: string;
let catalogue: Catalogue;
/** Actions of the sweep: ids of deletions, and `ID:BYTES` for trims. */
let actions: string[];
let retention: Retention | undefined;
let clocks: SetClocks;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'binnacle-retention-'));
  clocks = new SetClocks(Date.now());
  catalogue = Catalogue.open(prepareDataDir(join(root, 'data')), {}, new TrustedTime(clocks));
  actions = [];
});
afterEach(async () => {
  await retention?.stop();
  catalogue.close();
  rmSync(root, { recursive: true, force: true });
});

/** A session as the catalogue and the disk have it. */
function keep(state: SessionState, bytes: number, exitedAt = Date.now()): SessionId {
  const id = uuidv7() as SessionId;
  catalogue.sessions.insert({ id, name: 'x', spec, state });
  if (state === 'closed') catalogue.sessions.update(id, { exitedAt });
  if (bytes > 0) {
    mkdirSync(join(root, 'sessions', id, 'log'), { recursive: true });
    writeFileSync(join(root, 'sessions', id, 'log', '0000000000000000.log'), Buffer.alloc(bytes));
  }
  return id;
}

function open(rules: Partial<RetentionRules>): Retention {
  const sessions = {
    delete: async (id: SessionId) => {
      actions.push(id);
      catalogue.sessions.remove(id);
      rmSync(join(root, 'sessions', id), { recursive: true, force: true });
    },
    get: (id: SessionId) => ({ trim: async (bytes: number) => void actions.push(`${id}:${bytes}`) }),
  } as unknown as Sessions;
  const parts = { catalogue, sessions, dir: join(root, 'sessions'), log: pino({ level: 'silent' }) };
  retention = new Retention(parts, { retainMs: HOUR_MS, totalBytes: 1e9, maxFinished: 1e6, sweepMs: 60_000, ...rules });
  return retention;
}

describe('retention of sessions', () => {
  it('removes finished ones that are too old, and no running one', async () => {
    const old = keep('closed', 10, Date.now() - 2 * HOUR_MS);
    const fresh = keep('closed', 10);
    keep('running', 10);
    await open({}).sweep();
    expect(actions).toEqual([old]);
    expect(existsSync(join(root, 'sessions', fresh))).toBe(true);
  });

  it('removes nothing for its age for an hour behind a leap of the clock, and all that is too old then', async () => {
    const fresh = keep('closed', 10);
    clocks.set(400 * 24 * HOUR_MS);
    await open({}).sweep();
    clocks.pass(HOUR_MS - 1);
    await retention?.sweep();
    expect(actions).toEqual([]);
    clocks.pass(1);
    await retention?.sweep();
    expect(actions).toEqual([fresh]);
  });

  it('removes the oldest finished ones until the rest is small enough', async () => {
    const ids = [100, 100, 100, 100].map((bytes) => keep('closed', bytes));
    await open({ totalBytes: 250 }).sweep();
    expect(actions).toEqual(ids.slice(0, 2));
  });

  it('removes the oldest finished ones until the rest is few enough', async () => {
    const ids = [1, 2, 3, 4, 5].map(() => keep('closed', 10));
    keep('running', 10);
    await open({ maxFinished: 3 }).sweep();
    expect(actions).toEqual(ids.slice(0, 2));
  });

  it('gives running ones equal shares when they alone are too much', async () => {
    const a = keep('running', 300);
    const b = keep('running', 300);
    const done = keep('closed', 100);
    await open({ totalBytes: 400 }).sweep();
    expect(actions[0]).toBe(done);
    expect(new Set(actions.slice(1))).toEqual(new Set([`${a}:200`, `${b}:200`]));
  });

  it('is one at a time, and ends when it is stopped', async () => {
    for (let i = 0; i < 300; i++) keep('closed', 0, 1);
    const sweeping = open({});
    const first = sweeping.sweep();
    expect(sweeping.sweep()).toBe(first);
    await sweeping.stop();
    expect(actions).toEqual([]);
    await first;
  });

  inAll(
    'lets others have their turn all the while, with 10,000 sessions',
    async () => {
      for (let i = 0; i < 10_000; i++) keep('closed', i % 100 === 0 ? 1000 : 0, i < 50 ? 1 : Date.now());
      let turns = 0;
      let isOver = false;
      const count = (): void => {
        turns += 1;
        if (!isOver) setImmediate(count);
      };
      setImmediate(count);
      await open({}).sweep();
      isOver = true;
      expect(actions).toHaveLength(50);
      expect(turns).toBeGreaterThan(150);
    },
    60_000,
  );
});
