import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { mountSmallDisk, type SmallDisk } from '../gateway/small-disk.fixture.ts';
import { openGatewayProcess } from '../support/gateway-process.ts';
import { emit, keptOf, outcomesOf, stop } from './traffic.fixture.ts';

const batch = (...events: object[]) => ({ producer: { id: 'p', epoch: 0 }, events });

const disk = mountSmallDisk(32);
const why = 'reason' in disk ? ` (skipped, no file system can be mounted here: ${disk.reason})` : '';

describe.skipIf('reason' in disk)(`output from elsewhere on a full disk${why}`, () => {
  const small = disk as SmallDisk;
  afterAll(() => small.remove());

  it('is refused with a code that says to try again, in whole batches, and is kept once when there is room', async () => {
    const gateway = await small.within(() => openGatewayProcess());
    const rest = join(small.dir, 'rest');
    try {
      const chunk = 'x'.repeat(50_000);
      const eventsOf = (seq: number) => [0, 1].map((n) => ({ session_id: 'full', seq: seq + n, response: chunk }));
      const first = await emit(gateway, batch(...eventsOf(0), { session_id: 'other', seq: 0, response: 'kept' }));
      expect(outcomesOf(first)).toEqual(['stored', 'stored', 'stored']);
      const [{ session: id }, , { session: other }] = first.json.results;
      small.take(small.free() - 700_000);
      let seq = 2;
      let reply = await emit(gateway, batch(...eventsOf(seq)));
      for (; reply.status === 200; reply = await emit(gateway, batch(...eventsOf(seq)))) seq += 2;
      expect(outcomesOf(reply)).toEqual(['disk_full', 'disk_full']);
      expect(reply.json.results[0].error.retryable).toBe(true);
      expect((await gateway.info(id)).outputOffset).toBe(seq * chunk.length);
      expect(outcomesOf(await emit(gateway, batch(...eventsOf(seq - 2))))).toEqual(['duplicate', 'duplicate']);
      // To the last byte: not even a new session, or the last word of one that is deleted, has room.
      try {
        writeFileSync(rest, Buffer.alloc(small.free() + 1_000_000));
      } catch {
        // It took what there was.
      }
      const fresh = await emit(gateway, { session_id: 'fresh', response: 'x' });
      expect([fresh.status, fresh.code]).toEqual([507, 'disk_full']);
      expect((await gateway.ask('/healthz', { token: null })).status).toBe(200);
      rmSync(rest, { force: true });
      small.empty();
      expect(outcomesOf(await emit(gateway, batch(...eventsOf(seq))))).toEqual(['stored', 'stored']);
      expect((await emit(gateway, { session_id: 'fresh', response: 'x' })).status).toBe(200);
      expect((await keptOf(gateway, id)).output.length).toBe((seq + 2) * chunk.length);
      expect((await keptOf(gateway, id)).marks.map((mark) => mark.seq)).toEqual(
        Array.from({ length: seq + 2 }, (_, n) => n),
      );
      expect(await gateway.output(other)).toBe('kept');
    } finally {
      small.empty();
      rmSync(rest, { force: true });
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
