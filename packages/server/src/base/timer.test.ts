import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { MAX_TIMER_MS, Timer } from './timer.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('calls once, also after more than one timer of Node can wait', () => {
  const timer = new Timer();
  const call = vi.fn();
  timer.set(MAX_TIMER_MS * 2 + 10, call);
  vi.advanceTimersByTime(MAX_TIMER_MS * 2 + 9);
  expect([call.mock.calls.length, timer.isSet]).toEqual([0, true]);
  vi.advanceTimersByTime(1);
  expect([call.mock.calls.length, timer.isSet]).toEqual([1, false]);
  vi.advanceTimersByTime(MAX_TIMER_MS * 3);
  expect(call).toHaveBeenCalledTimes(1);
});

it('a later call replaces an earlier one, and `setOnce` does not', () => {
  const timer = new Timer();
  const calls: string[] = [];
  timer.set(10, () => calls.push('first'));
  timer.set(20, () => calls.push('second'));
  timer.setOnce(1, () => calls.push('never'));
  vi.advanceTimersByTime(20);
  expect(calls).toEqual(['second']);
  timer.setOnce(1, () => calls.push('third'));
  vi.advanceTimersByTime(1);
  expect(calls).toEqual(['second', 'third']);
});

it('a cleared timer does not call, and may be set again, also from its own call', () => {
  const timer = new Timer();
  const calls: number[] = [];
  timer.set(5, () => calls.push(0));
  timer.clear();
  expect(timer.isSet).toBe(false);
  const again = (): void => {
    calls.push(calls.length);
    if (calls.length < 3) timer.set(-1, again);
  };
  timer.set(5, again);
  vi.advanceTimersByTime(5);
  vi.runAllTimers();
  expect(calls).toEqual([0, 1, 2]);
});

it('keeps no process alive', () => {
  vi.useRealTimers();
  // The resources that keep the process alive.
  const before = process.getActiveResourcesInfo().length;
  const timer = new Timer();
  timer.set(10_000, () => undefined);
  expect(process.getActiveResourcesInfo()).toHaveLength(before);
  timer.clear();
});
