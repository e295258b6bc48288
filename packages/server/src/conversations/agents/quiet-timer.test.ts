import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { QuietTimer } from './process-life.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('an agent is quiet when it has sent nothing for that time, counted from its last output', () => {
  const calls: number[] = [];
  const quiet = new QuietTimer();
  const began = performance.now();
  const call = (): void => void calls.push(performance.now() - began);
  for (let n = 0; n < 10; n += 1) {
    quiet.arm(500, call);
    vi.advanceTimersByTime(400);
  }
  expect(calls).toEqual([]);
  vi.advanceTimersByTime(1000);
  expect(calls).toEqual([4100]);
});

test('an agent that is never quiet is not waited for longer than 15 s, and the next wait is another one', () => {
  const quiet = new QuietTimer();
  for (let wait = 0; wait < 2; wait += 1) {
    const began = performance.now();
    let calledAt: number | undefined;
    while (calledAt === undefined && performance.now() - began < 60_000) {
      quiet.arm(500, () => {
        calledAt = performance.now() - began;
      });
      vi.advanceTimersByTime(100);
    }
    expect(calledAt).toBeGreaterThanOrEqual(14_900);
    expect(calledAt).toBeLessThanOrEqual(15_000);
    quiet.arm(undefined, () => undefined);
    expect(vi.getTimerCount()).toBe(0);
  }
});
