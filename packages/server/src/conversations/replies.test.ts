import type { ConversationRun } from '@binnacle/protocol';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { SetClocks } from '../base/clocks.fixture.ts';
import type { ReplyRecord } from '../store/replies.ts';
import { Replies, type RepliesParts } from './replies.ts';

const RUN = { id: 'r', conversation: 'c', state: 'final', text: 'done', end: { type: 'final' } };

/** Over rows in memory, and an address that never takes anything. */
function open(rows: ReplyRecord[], clocks: SetClocks) {
  const tries: number[] = [];
  const store = {
    put: (row: ReplyRecord) => void rows.splice(0, 1, row),
    list: () => [...rows],
    find: () => rows[0],
    remove: () => void rows.splice(0),
  };
  const replies = new Replies({
    store: store as unknown as RepliesParts['store'],
    rows: { run: () => RUN as unknown as ConversationRun } as unknown as RepliesParts['rows'],
    conversations: { listen: () => () => undefined } as unknown as RepliesParts['conversations'],
    log: pino({ level: 'silent' }),
    clocks,
    send: async () => {
      tries.push(clocks.monotonic());
      return new Response(null, { status: 503 });
    },
  });
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 500) {
      clocks.pass(500);
      await vi.advanceTimersByTimeAsync(500);
    }
  };
  return { tries, pass, replies };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('an answer that was not taken is tried again as soon as ever when the clock was set back', async () => {
  const clocks = new SetClocks();
  const rows = [{ conversation: 'c', run: 'r', url: 'http://h/', tries: 0, dueAt: 0 }];
  const { tries, pass, replies } = open(rows, clocks);
  await pass(1000);
  expect(tries).toHaveLength(1);
  clocks.set(-3 * 3600_000);
  // Two seconds at most, and one more until the next check.
  await pass(3500);
  expect(tries).toHaveLength(2);
  expect(rows[0]?.tries).toBe(2);
  replies.stop();
});

test('one of an earlier gateway whose clock was ahead waits no longer than from one try to the next', async () => {
  const clocks = new SetClocks();
  const dueAt = clocks.wall() + 400 * 86_400_000;
  const { tries, pass, replies } = open([{ conversation: 'c', run: 'r', url: 'http://h/', tries: 3, dueAt }], clocks);
  await pass(7000);
  expect(tries).toHaveLength(0);
  await pass(3000);
  expect(tries).toHaveLength(1);
  replies.stop();
});
