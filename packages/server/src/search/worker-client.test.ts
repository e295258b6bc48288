import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { count, inAll } from '../../../../test/support/count.ts';
import type { StatsRequest } from './wire.ts';
import { IndexProcess } from './worker-client.ts';

const ASK: StatsRequest = { kind: 'stats', conversations: [] };

let dir: string;
let index: IndexProcess;
let starts: number;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'binnacle-index-process-'));
  starts = 0;
});
afterEach(async () => {
  await index.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** A real process that does this with each question. Not started. */
function create(onAsk: string, queueMs = 10_000, { before = '', readyMs = 10_000, startsAhead = true } = {}): void {
  const script = join(dir, 'process.mjs');
  writeFileSync(
    script,
    `const { writeFileSync } = await import('node:fs');
     ${before}
     const post = (message) => process.send(message);
     process.on('message', (message) => {
       if (message.t === 'open') post({ t: 'ready', isNew: true });
       if (message.t === 'stop') process.exit(0);
       const { n } = message;
       if (message.t === 'ask') { ${onAsk} }
     });`,
  );
  const limits = { maxEvents: 1, maxIndexBytes: 1, retainMs: 1 };
  index = new IndexProcess(
    {
      path: join(dir, 'index.sqlite'),
      dir,
      catalogue: join(dir, 'catalogue.db'),
      script,
      searchMs: 50,
      queueMs,
      readyMs,
      startsAhead,
      ...limits,
    },
    {
      started: () => {
        starts += 1;
      },
      did: () => undefined,
    },
    pino({ level: 'silent' }),
  );
}

/** The same, started. */
async function open(onAsk: string, queueMs?: number): Promise<void> {
  create(onAsk, queueMs);
  await Promise.all([index.start(), index.start()]);
  expect(starts).toBe(1);
}

describe('the process of the index', () => {
  it('starts by itself', async () => {
    create('');
    expect([index.pid, starts]).toEqual([undefined, 0]);
    await vi.waitFor(() => expect(starts).toBe(1), 10_000);
  });

  it('starts with the first query where it does not start ahead', async () => {
    create(`post({ t: 'began', n }); post({ t: 'answer', n, value: 'there' });`, 10_000, { startsAhead: false });
    expect([index.pid, starts]).toEqual([undefined, 0]);
    await index.start();
    expect([starts, await index.query(ASK)]).toEqual([1, 'there']);
  });

  it('is ended and started again when it hangs before it is ready; so many queries wait for that and no more', async () => {
    // Only the second process gets ready.
    const flag = join(dir, 'second');
    create('', 10_000, {
      readyMs: 1000,
      before: `const { existsSync } = await import('node:fs');
               if (!existsSync(${JSON.stringify(flag)})) { writeFileSync(${JSON.stringify(flag)}, ''); for (;;); }`,
    });
    const waiting = Array.from({ length: 64 }, () => index.start());
    await expect(index.start()).rejects.toMatchObject({ code: 'index_unavailable' });
    await Promise.all(waiting);
    expect([index.isReady, starts]).toEqual([false, 0]);
    await vi.waitFor(() => expect([index.isReady, starts]).toEqual([true, 1]), 10_000);
  });

  it('is ended when a search does not come back, and started again', async () => {
    await open(`post({ t: 'began', n }); for (;;);`);
    await expect(index.query(ASK)).rejects.toMatchObject({ code: 'search_timeout' });
    expect(() => index.query(ASK)).toThrowError(expect.objectContaining({ code: 'index_unavailable' }));
    await vi.waitFor(() => expect(starts).toBe(2), 10_000);
  });

  it('is started again when it dies, and who waits is told', async () => {
    await open('process.exit(1)');
    await expect(index.query(ASK)).rejects.toMatchObject({ code: 'index_unavailable' });
    await vi.waitFor(() => expect(starts).toBe(2), 10_000);
    await expect(index.query(ASK)).rejects.toMatchObject({ code: 'index_unavailable' });
    await vi.waitFor(() => expect(starts).toBe(3), 10_000);
  });

  inAll(
    'is not ended for a question that waited behind others, and the limit of that one counts from its beginning',
    async () => {
      // Begins with each when the 50 ms of a search and the 1500 ms of grace are long over.
      await open(`setTimeout(() => { post({ t: 'began', n }); post({ t: 'answer', n, value: 'there' }); }, 1700)`);
      const answers = [index.query(ASK), index.query(ASK), index.query(ASK)];
      expect(await Promise.all(answers)).toEqual(['there', 'there', 'there']);
      expect(starts).toBe(1);
    },
  );

  it('refuses what it has not begun in time, and lives on while it says anything at all', async () => {
    await open(`setInterval(() => post({ t: 'did', id: 'one', place: 1 }), 20)`, 200);
    await expect(index.query(ASK)).rejects.toMatchObject({ code: 'index_unavailable' });
    expect(index.isReady).toBe(true);
    expect(starts).toBe(1);
  });

  it('is begun anew at any moment, as often as somebody wants', async () => {
    await open(`post({ t: 'began', n }); for (;;);`);
    const lost = index.query(ASK).catch((error: { code: string }) => error.code);
    for (let i = 0; i < count({ quick: 9, all: 30 }); i += 1) {
      index.rebuild();
      await new Promise((resolve) => setTimeout(resolve, i % 3));
    }
    expect(await lost).toBe('index_unavailable');
    await vi.waitFor(() => expect(index.isReady).toBe(true), 10_000);
  });

  it('takes so many questions at once and no more', async () => {
    await open('', 300);
    const waiting = Array.from({ length: 64 }, () => index.query(ASK));
    expect(() => index.query(ASK)).toThrowError(expect.objectContaining({ code: 'index_unavailable' }));
    const codes = await Promise.all(waiting.map((one) => one.catch((error: { code: string }) => error.code)));
    expect(codes.filter((code) => code !== 'search_timeout' && code !== 'index_unavailable')).toEqual([]);
  });
});
