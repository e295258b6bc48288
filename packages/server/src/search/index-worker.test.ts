import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { IndexWorker } from './index-worker.ts';
import type { StatsAsk } from './wire.ts';

const ASK: StatsAsk = { kind: 'stats', conversations: [] };

let dir: string;
let worker: IndexWorker;
let starts: number;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'binnacle-index-worker-'));
  starts = 0;
});
afterEach(async () => {
  await worker.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** A real thread that does this with each question. */
async function open(onAsk: string): Promise<void> {
  const script = join(dir, 'thread.mjs');
  writeFileSync(
    script,
    `import { parentPort } from 'node:worker_threads';
     parentPort.on('message', (message) => {
       if (message.t === 'stop') process.exit(0);
       if (message.t === 'ask') { ${onAsk} }
     });
     parentPort.postMessage({ t: 'ready', isNew: true });`,
  );
  const limits = { maxEvents: 1, maxIndexBytes: 1, retainMs: 1 };
  worker = new IndexWorker(
    { path: join(dir, 'index.sqlite'), dir, script, searchMs: 50, ...limits },
    {
      started: () => {
        starts += 1;
      },
      did: () => undefined,
    },
    pino({ level: 'silent' }),
  );
  await vi.waitFor(() => expect(starts).toBe(1), 10_000);
}

describe('the thread of the index', () => {
  it('is ended when a search does not come back, and started again', async () => {
    await open('for (;;);');
    await expect(worker.ask(ASK)).rejects.toMatchObject({ code: 'search_timeout' });
    expect(() => worker.ask(ASK)).toThrowError(expect.objectContaining({ code: 'index_unavailable' }));
    await vi.waitFor(() => expect(starts).toBe(2), 10_000);
  });

  it('is started again when it dies, and who waits is told', async () => {
    await open('process.exit(1)');
    await expect(worker.ask(ASK)).rejects.toMatchObject({ code: 'index_unavailable' });
    await vi.waitFor(() => expect(starts).toBe(2), 10_000);
    await expect(worker.ask(ASK)).rejects.toMatchObject({ code: 'index_unavailable' });
    await vi.waitFor(() => expect(starts).toBe(3), 10_000);
  });

  it('takes so many questions at once and no more', async () => {
    await open('');
    const waiting = Array.from({ length: 64 }, () => worker.ask(ASK));
    expect(() => worker.ask(ASK)).toThrowError(expect.objectContaining({ code: 'index_unavailable' }));
    const codes = await Promise.all(waiting.map((one) => one.catch((error: { code: string }) => error.code)));
    expect(codes.filter((code) => code !== 'search_timeout' && code !== 'index_unavailable')).toEqual([]);
  });
});
