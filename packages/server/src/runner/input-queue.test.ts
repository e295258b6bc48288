import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { InputQueue } from './input-queue.ts';

/** A program that reads as much as the test says. */
class Reader {
  room = Number.POSITIVE_INFINITY;
  calls = 0;
  readonly taken: number[] = [];
  readonly write = (bytes: Uint8Array): number => {
    this.calls += 1;
    const count = Math.min(this.room, bytes.length);
    this.room -= count;
    this.taken.push(...bytes.subarray(0, count));
    return count;
  };
  get text(): string {
    return Buffer.from(this.taken).toString();
  }
}

const open = (maxBytes = 100, room = Number.POSITIVE_INFINITY) => {
  const reader = new Reader();
  reader.room = room;
  return { reader, queue: new InputQueue(maxBytes, reader.write) };
};
const failureOf = (act: () => unknown): unknown => {
  try {
    act();
    return 'taken';
  } catch (error) {
    const { code, details } = error as { code: string; details?: unknown };
    return details === undefined ? code : { code, details };
  }
};

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('the input queue', () => {
  it('hands a message on at once and says that nothing waits', () => {
    const { reader, queue } = open();
    expect(queue.push(Buffer.from('hello'))).toEqual({ accepted: 5, duplicate: false, queued: 0 });
    expect(reader.text).toBe('hello');
  });

  it('keeps what the program does not read, in order, and says how much that is', () => {
    const { reader, queue } = open(100, 3);
    expect(queue.push(Buffer.from('hello ')).queued).toBe(3);
    expect(queue.push(Buffer.from('world')).queued).toBe(8);
    reader.room = Number.POSITIVE_INFINITY;
    vi.advanceTimersByTime(60);
    expect(reader.text).toBe('hello world');
  });

  it('takes all of a message or none, and says what fills it', () => {
    const { reader, queue } = open(10, 0);
    queue.push(Buffer.from('12345678'));
    expect(failureOf(() => queue.push(Buffer.from('abc')))).toEqual({
      code: 'input_full',
      details: { queued: 8, limit: 10 },
    });
    expect(queue.push(Buffer.from('ab')).queued).toBe(10);
    expect(failureOf(() => queue.push(Buffer.from('c')))).toMatchObject({ code: 'input_full' });
    reader.room = Number.POSITIVE_INFINITY;
    vi.advanceTimersByTime(60);
    expect(reader.text).toBe('12345678ab');
  });

  it('does not say "try again" of a message that will never fit', () => {
    const { queue } = open(10);
    expect(failureOf(() => queue.push(Buffer.alloc(11)))).toEqual({
      code: 'body_too_large',
      details: { limitBytes: 10 },
    });
    expect(queue.push(Buffer.alloc(10)).accepted).toBe(10);
  });

  it('asks a reader that stopped ever more rarely: at most some twenty times a second', () => {
    const { reader, queue } = open(100, 0);
    queue.push(Buffer.from('x'));
    vi.advanceTimersByTime(1000);
    const before = reader.calls;
    vi.advanceTimersByTime(10_000);
    expect(reader.calls - before).toBeLessThanOrEqual(201);
    reader.room = 1;
    vi.advanceTimersByTime(51);
    expect(reader.text).toBe('x');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('does not take a numbered message twice, and names the number that is missing', () => {
    const { reader, queue } = open();
    expect(queue.push(Buffer.from('a'), 'c', 1).duplicate).toBe(false);
    expect(queue.push(Buffer.from('a'), 'c', 1)).toEqual({ accepted: 1, duplicate: true, queued: 0 });
    expect(failureOf(() => queue.push(Buffer.from('c'), 'c', 3))).toEqual({
      code: 'input_gap',
      details: { expected: 2 },
    });
    queue.push(Buffer.from('b'), 'c', 2);
    queue.push(Buffer.from('z'), 'other', 1);
    expect(reader.text).toBe('abz');
  });

  it('counts a message that was refused as not taken, so that it may come again', () => {
    const { reader, queue } = open(4, 0);
    queue.push(Buffer.from('1234'));
    expect(failureOf(() => queue.push(Buffer.from('ab'), 'c', 7))).toMatchObject({ code: 'input_full' });
    expect(failureOf(() => queue.push(Buffer.from('x'), 'c', 8))).toEqual({
      code: 'input_gap',
      details: { expected: 7 },
    });
    reader.room = Number.POSITIVE_INFINITY;
    vi.advanceTimersByTime(60);
    expect(queue.push(Buffer.from('ab'), 'c', 7).duplicate).toBe(false);
    expect(reader.text).toBe('1234ab');
  });

  it('says of a number that was used up without bytes that it was', () => {
    const { queue } = open();
    queue.push(Buffer.from('a'), 'c', 1);
    queue.push(Buffer.alloc(0), 'c', 2);
    queue.push(Buffer.from('b'), 'c', 3);
    expect(queue.push(Buffer.from('x'), 'c', 2)).toEqual({ accepted: 1, duplicate: true, queued: 0, wasEmpty: true });
    expect(queue.push(Buffer.from('b'), 'c', 3)).toEqual({ accepted: 1, duplicate: true, queued: 0 });
    for (let n = 4; n < 400; n++) queue.push(Buffer.alloc(0), 'c', n);
    expect(queue.push(Buffer.from('x'), 'c', 399).wasEmpty).toBe(true);
    expect(queue.push(Buffer.from('x'), 'c', 100).wasEmpty).toBeUndefined();
  });

  it('remembers a bounded number of clients, those that wrote last', () => {
    const { queue } = open();
    for (let client = 0; client < 300; client++) queue.push(Buffer.from('x'), `client ${client}`, 1);
    expect(queue.push(Buffer.from('x'), 'client 299', 1).duplicate).toBe(true);
    expect(queue.push(Buffer.from('x'), 'client 44', 1).duplicate).toBe(true);
    expect(queue.push(Buffer.from('x'), 'client 43', 1).duplicate).toBe(false);
  });

  it('ends behind the last byte that was taken, once, and takes nothing afterwards', () => {
    const { reader, queue } = open(100, 2);
    queue.push(Buffer.from('last'), 'c', 1);
    const closed = vi.fn(() => expect(reader.text).toBe('last'));
    queue.end(closed);
    queue.end(closed);
    expect(closed).not.toHaveBeenCalled();
    expect(failureOf(() => queue.push(Buffer.from('x')))).toBe('stdin_closed');
    reader.room = Number.POSITIVE_INFINITY;
    vi.advanceTimersByTime(60);
    expect(closed).toHaveBeenCalledTimes(1);
    expect(failureOf(() => queue.push(Buffer.from('x')))).toBe('stdin_closed');
    // A message that came again was taken while it could be.
    expect(queue.push(Buffer.from('last'), 'c', 1).duplicate).toBe(true);
  });

  it('forgets what waits when the program is gone', () => {
    const { reader, queue } = open(100, 0);
    queue.push(Buffer.from('x'));
    queue.stop();
    const { calls } = reader;
    vi.advanceTimersByTime(1000);
    expect(reader.calls).toBe(calls);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('gives the program exactly the accepted messages, whole and in order, however it reads', () => {
    const push = fc.record({
      size: fc.integer({ min: 0, max: 40 }),
      room: fc.nat(60),
      waitMs: fc.constantFrom(0, 1, 60),
    });
    fc.assert(
      fc.property(fc.array(push, { maxLength: 60 }), (pushes) => {
        const { reader, queue } = open(100, 0);
        const accepted: number[] = [];
        for (const [index, { size, room, waitMs }] of pushes.entries()) {
          const bytes = Buffer.alloc(size, index);
          const waiting = accepted.length - reader.taken.length;
          const taken = failureOf(() => queue.push(bytes)) === 'taken';
          expect(taken).toBe(waiting + size <= 100);
          // Whoever gave the bytes may use them for something else now.
          if (taken) accepted.push(...bytes);
          bytes.fill(255);
          reader.room = room;
          vi.advanceTimersByTime(waitMs);
          expect(reader.taken).toEqual(accepted.slice(0, reader.taken.length));
        }
        reader.room = Number.POSITIVE_INFINITY;
        vi.advanceTimersByTime(100);
        expect(reader.taken).toEqual(accepted);
        queue.stop();
      }),
      { numRuns: 200 },
    );
  });
});
