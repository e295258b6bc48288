import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type GatewayProcess, openGatewayProcess } from '../steering/gateway-process.fixture.ts';
import { emit, keptOf, outcomesOf, stop } from './traffic.fixture.ts';

const batch = (...events: object[]) => ({ producer: { id: 'p', epoch: 0 }, events });

/** A small disk of our own. Undefined where we may not mount one. */
function mount(): string | undefined {
  const dir = mkdtempSync(join(tmpdir(), 'binnacle-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=32m,mode=0700', 'binnacle-test', dir], { stdio: 'pipe' });
    return dir;
  } catch {
    rmSync(dir, { recursive: true });
    return undefined;
  }
}

async function openIn(dir: string): Promise<GatewayProcess> {
  const before = process.env.TMPDIR;
  process.env.TMPDIR = dir;
  try {
    return await openGatewayProcess();
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  }
}

const disk = mount();

describe.skipIf(disk === undefined)('output from elsewhere on a full disk', () => {
  const dir = disk ?? '';
  afterAll(() => {
    execFileSync('umount', ['-l', dir]);
    rmSync(dir, { recursive: true });
  });

  it('is refused with a code that says to try again, in whole batches, and is kept once when there is room', async () => {
    const gateway = await openIn(dir);
    const ballast = join(dir, 'ballast');
    const free = (): number => statfsSync(dir).bavail * statfsSync(dir).bsize;
    try {
      const chunk = 'x'.repeat(50_000);
      const eventsOf = (seq: number) => [0, 1].map((n) => ({ session_id: 'full', seq: seq + n, response: chunk }));
      const first = await emit(gateway, batch(...eventsOf(0), { session_id: 'other', seq: 0, response: 'kept' }));
      expect(outcomesOf(first)).toEqual(['stored', 'stored', 'stored']);
      const [{ session: id }, , { session: other }] = first.json.results;
      writeFileSync(ballast, Buffer.alloc(free() - 700_000));
      let seq = 2;
      let reply = await emit(gateway, batch(...eventsOf(seq)));
      for (; reply.status === 200; reply = await emit(gateway, batch(...eventsOf(seq)))) seq += 2;
      expect(outcomesOf(reply)).toEqual(['disk_full', 'disk_full']);
      expect(reply.json.results[0].error.retryable).toBe(true);
      expect((await gateway.info(id)).outputOffset).toBe(seq * chunk.length);
      expect(outcomesOf(await emit(gateway, batch(...eventsOf(seq - 2))))).toEqual(['duplicate', 'duplicate']);
      // To the last byte: not even a new session, or the last word of one that is deleted, has room.
      try {
        writeFileSync(join(dir, 'rest'), Buffer.alloc(free() + 1_000_000));
      } catch {
        // It took what there was.
      }
      const fresh = await emit(gateway, { session_id: 'fresh', response: 'x' });
      expect([fresh.status, fresh.code]).toEqual([507, 'disk_full']);
      expect((await gateway.ask('/healthz', { token: null })).status).toBe(200);
      rmSync(join(dir, 'rest'), { force: true });
      rmSync(ballast);
      expect(outcomesOf(await emit(gateway, batch(...eventsOf(seq))))).toEqual(['stored', 'stored']);
      expect((await emit(gateway, { session_id: 'fresh', response: 'x' })).status).toBe(200);
      expect((await keptOf(gateway, id)).output.length).toBe((seq + 2) * chunk.length);
      expect((await keptOf(gateway, id)).marks.map((mark) => mark.seq)).toEqual(
        Array.from({ length: seq + 2 }, (_, n) => n),
      );
      expect(await gateway.output(other)).toBe('kept');
    } finally {
      rmSync(ballast, { force: true });
      rmSync(join(dir, 'rest'), { force: true });
      await gateway.close();
    }
  });
});

describe('a log that is not there any more', () => {
  it('is said to its emitter, and its session can be deleted; the others are as they were', async () => {
    const gateway = await openGatewayProcess();
    try {
      const first = await emit(
        gateway,
        batch({ session_id: 'gone', seq: 0, response: 'x' }, { session_id: 'there', seq: 0, response: 'y' }),
      );
      const [{ session: gone }, { session: there }] = first.json.results;
      // Its row knows of it then.
      await stop(gateway);
      rmSync(join(gateway.dir, 'sessions', gone, 'log'), { recursive: true });
      await gateway.start();
      const events = [
        { session_id: 'gone', seq: 1 },
        { session_id: 'there', seq: 1, response: 'z' },
      ];
      expect(outcomesOf(await emit(gateway, batch(...events)))).toEqual(['log_damaged', 'stored']);
      expect((await gateway.ask('/v1/sessions')).json.sessions).toHaveLength(2);
      expect((await gateway.ask(`/v1/sessions/${gone}`, { method: 'DELETE' })).status).toBe(204);
      expect((await gateway.ask(`/v1/sessions/${gone}`)).code).toBe('session_gone');
      expect(await gateway.output(there)).toBe('yz');
    } finally {
      await gateway.close();
    }
  });
});
