import { afterEach, beforeEach, expect, it } from 'vitest';
import { until } from '../../test/test-gateway.ts';
import { TestRuns } from '../../test/test-runs.ts';
import { fromBase64 } from '../transport/base64.ts';
import { Emitter } from '../transport/event-emitter.ts';
import { Http } from '../transport/http.ts';
import { Operations } from '../transport/operation.ts';
import { settle } from '../transport/options.ts';
import { EventStream } from './event-stream.ts';
import { FeedIterator, ITEM_BYTES } from './resumable-feed.ts';

let server: TestRuns;

beforeEach(async () => {
  server = new TestRuns();
  await server.listen();
});

afterEach(async () => {
  await server.stop();
});

it('slow-alone: a stream keeps one event more than fits, reads no further, and goes on where it stood', async () => {
  const parts = Array.from({ length: 400 }, (_, i) => Buffer.alloc(50_000, i));
  server.script = (run) => {
    for (const part of parts) run.write('stdout', part);
    run.end();
  };
  const settings = settle({ url: server.url, backoff: { baseMs: 2, capMs: 10 } });
  const path = '/v1/sessions/s/runs';
  const stream = new EventStream<{ readonly bytes: Uint8Array }>(
    new Operations(new Http(settings), { settings, events: new Emitter() }),
    {
      about: { session: 's' },
      isEventLog: false,
      request: () => ({
        method: 'POST',
        path,
        body: { id: 'r', command: 'flood' },
        query: { format: 'sse', encoding: 'base64' },
        headers: { Accept: 'text/event-stream' },
      }),
      mayRetry: () => false,
      closed: () => undefined,
      read: ({ event, body, after }) => {
        if (event !== 'output') return { kind: 'state', after, cost: 0, isLast: event === 'end' };
        const { offset, base64 } = body as { offset: number; base64: string };
        const bytes = fromBase64(base64);
        return { kind: 'output', from: offset, after, item: { bytes }, cost: ITEM_BYTES + bytes.length };
      },
    },
    100_000,
  );
  await until('the pause', () => stream.feed.state.phase === 'paused');
  expect(stream.feed.state.buffered).toBeLessThanOrEqual(100_000 + 50_000 + ITEM_BYTES);
  expect([...server.streams][0]?.writableLength).toBeGreaterThan(5_000_000);
  const chunks: Uint8Array[] = [];
  for await (const { bytes } of new FeedIterator(stream.feed)) chunks.push(bytes);
  expect(Buffer.concat(chunks).equals(Buffer.concat(parts))).toBe(true);
  expect(stream.feed.state.buffered).toBe(0);
  expect(server.seen).toHaveLength(1);
});
