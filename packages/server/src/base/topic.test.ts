import fc from 'fast-check';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Topic } from './topic.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

/** A topic whose reader has room while `room.isThere`, and what the reader got. */
function topicOf(delayMs?: number) {
  const got: string[] = [];
  const room = { isThere: true };
  const topic = new Topic<string, { readonly n: number }>({
    send: ({ n }, key) => got.push(`${key}${n}`),
    hasRoom: () => room.isThere,
    ...(delayMs === undefined ? {} : { delayMs }),
  });
  return { topic, room, got };
}

it('sends each change at once while the reader has room', () => {
  const { topic, got } = topicOf();
  for (const n of [1, 2, 3]) topic.publish('a', { n });
  expect(got).toEqual(['a1', 'a2', 'a3']);
});

it('keeps the newest change of each key while the reader has no room', () => {
  const { topic, room, got } = topicOf();
  room.isThere = false;
  for (const n of [1, 2, 3]) for (const key of ['a', 'b', 'c']) topic.publish(key, { n });
  topic.drop('b');
  topic.resume();
  expect(got).toEqual([]);
  room.isThere = true;
  topic.resume();
  topic.resume();
  expect(got).toEqual(['a3', 'c3']);
});

it('sends the newest change of a key once per delay, as long as there is room', () => {
  const { topic, room, got } = topicOf(100);
  topic.publish('a', { n: 1 });
  vi.advanceTimersByTime(60);
  topic.publish('a', { n: 2 });
  topic.publish('b', { n: 1 });
  topic.resume();
  expect(got).toEqual([]);
  vi.advanceTimersByTime(40);
  expect(got).toEqual(['a2']);
  room.isThere = false;
  vi.advanceTimersByTime(60);
  expect(got).toEqual(['a2']);
  room.isThere = true;
  topic.resume();
  expect(got).toEqual(['a2', 'b1']);
});

it('ends its source when it stops or starts again, and sends nothing from before', () => {
  const got: number[] = [];
  const ended: number[] = [];
  let started = 0;
  const topic = new Topic<string, { readonly n: number }>({
    source: (publish) => {
      started += 1;
      const n = started;
      publish('a', { n });
      return () => ended.push(n);
    },
    send: ({ n }) => got.push(n),
    delayMs: 100,
  });
  topic.watch(true);
  topic.watch(true);
  vi.advanceTimersByTime(100);
  expect({ ended, got }).toEqual({ ended: [1], got: [2] });
  topic.publish('a', { n: 3 });
  topic.watch(false);
  topic.stop();
  expect(vi.getTimerCount()).toBe(0);
  expect({ ended, got }).toEqual({ ended: [1, 2], got: [2] });
});

it('gives a reader the last change of every key, in order, however room comes and goes', () => {
  const Step = fc.oneof(fc.record({ key: fc.constantFrom('a', 'b', 'c') }), fc.record({ isThere: fc.boolean() }));
  fc.assert(
    fc.property(fc.array(Step), (steps) => {
      const { topic, room, got } = topicOf();
      const last = new Map<string, number>();
      for (const [n, step] of steps.entries()) {
        if ('key' in step) {
          topic.publish(step.key, { n });
          last.set(step.key, n);
        } else {
          room.isThere = step.isThere;
          topic.resume();
        }
      }
      room.isThere = true;
      topic.resume();
      for (const [key, n] of last) {
        const numbers = got.filter((one) => one.startsWith(key)).map((one) => Number(one.slice(1)));
        expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
        expect(numbers.at(-1)).toBe(n);
      }
    }),
  );
});
