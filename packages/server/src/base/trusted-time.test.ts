import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SetClocks } from './clocks.fixture.ts';
import { TrustedTime } from './trusted-time.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

describe('the time by which things are old', () => {
  test('is the wall clock, also when that is set back, or forward by less than a day', () => {
    const clocks = new SetClocks();
    const time = new TrustedTime(clocks);
    for (const byMs of [0, -400 * DAY, DAY - 1, -5, DAY]) {
      clocks.set(byMs);
      expect(time.now()).toBe(clocks.wall());
      expect(time.isWaiting).toBe(false);
      clocks.pass(10);
    }
  });

  test('goes on as it was for an hour behind a leap of more than a day, and follows it then', () => {
    const clocks = new SetClocks();
    const time = new TrustedTime(clocks);
    const before = time.now();
    // Long not looked at: an hour that may have passed before the leap does not count.
    clocks.pass(3 * HOUR);
    clocks.set(400 * DAY);
    expect(time.now()).toBe(before + 3 * HOUR);
    clocks.pass(HOUR - 1);
    expect(time.now()).toBe(before + 4 * HOUR - 1);
    expect(time.isWaiting).toBe(true);
    clocks.pass(1);
    expect(time.now()).toBe(clocks.wall());
    expect(time.isWaiting).toBe(false);
  });

  test('knows nothing of a leap that somebody took back within the hour', () => {
    const clocks = new SetClocks();
    const time = new TrustedTime(clocks);
    clocks.set(400 * DAY);
    clocks.pass(59 * MINUTE);
    time.now();
    clocks.set(-400 * DAY);
    expect(time.now()).toBe(clocks.wall());
    clocks.set(400 * DAY);
    clocks.pass(59 * MINUTE);
    expect(time.now()).toBe(clocks.wall() - 400 * DAY);
  });

  test('waits another hour behind a second leap', () => {
    const clocks = new SetClocks();
    const time = new TrustedTime(clocks);
    clocks.set(2 * DAY);
    time.now();
    clocks.pass(59 * MINUTE);
    clocks.set(4000 * DAY);
    time.now();
    clocks.pass(59 * MINUTE);
    expect(time.now()).toBe(clocks.wall() - 4002 * DAY);
    clocks.pass(MINUTE);
    expect(time.now()).toBe(clocks.wall());
  });

  test('is found out by what an earlier process knew, and its hour goes on over restarts', () => {
    const clocks = new SetClocks();
    const first = new TrustedTime(clocks);
    const { state } = first;
    clocks.set(400 * DAY);
    const second = new TrustedTime(clocks, state);
    second.now();
    clocks.pass(40 * MINUTE);
    expect(second.state).toEqual({ at: state.at + 40 * MINUTE, waitedMs: 40 * MINUTE });
    const third = new TrustedTime(clocks, second.state);
    clocks.pass(19 * MINUTE);
    expect(third.now()).toBe(state.at + 59 * MINUTE);
    clocks.pass(MINUTE);
    expect(third.now()).toBe(clocks.wall());
  });

  test('is never ahead of the wall clock, and ahead of what passed by no more than a day without an hour of waiting', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: -1e12, max: 1e12 }), fc.integer({ min: 0, max: HOUR / 3 })), {
          maxLength: 50,
        }),
        (steps) => {
          const clocks = new SetClocks();
          const time = new TrustedTime(clocks);
          let last = time.now();
          let quietMs = 0;
          for (const [byMs, passedMs] of steps) {
            clocks.set(byMs);
            const atLeap = time.now();
            if (byMs > DAY) quietMs = 0;
            clocks.pass(passedMs);
            quietMs += passedMs;
            const now = time.now();
            expect(now).toBeLessThanOrEqual(clocks.wall());
            if (quietMs < HOUR) expect(now - last).toBeLessThanOrEqual(passedMs + Math.max(0, atLeap - last));
            if (byMs > DAY) expect(atLeap - last).toBeLessThanOrEqual(DAY);
            last = now;
          }
        },
      ),
    );
  });
});
