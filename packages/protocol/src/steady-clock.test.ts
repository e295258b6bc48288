import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SteadyClock } from './steady-clock.ts';

const T0 = 1_700_000_000_000;

describe('the times of a log', () => {
  it('go on at the same pace when the clock of the machine is set back', () => {
    let wall = T0;
    let monotonic = 50;
    const clock = new SteadyClock({ wall: () => wall, monotonic: () => monotonic });
    expect(clock.now()).toBe(T0);
    wall -= 3600_000;
    monotonic += 250;
    expect(clock.now()).toBe(T0 + 250);
  });

  it('follow the clock of the machine behind a sleep', () => {
    let wall = T0;
    let monotonic = 50;
    const clock = new SteadyClock({ wall: () => wall, monotonic: () => monotonic });
    wall += 8 * 3600_000;
    monotonic += 10;
    expect(clock.now()).toBe(T0 + 8 * 3600_000);
    wall += 5;
    monotonic += 5;
    expect(clock.now()).toBe(T0 + 8 * 3600_000 + 5);
  });

  it('never go back, whatever the clock of the machine does', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: -1e7, max: 1e7 }), fc.integer({ min: 0, max: 1e6 }))),
        (steps) => {
          let wall = T0;
          let monotonic = 0;
          const clock = new SteadyClock({ wall: () => wall, monotonic: () => monotonic });
          let last = clock.now();
          for (const [set, passed] of steps) {
            wall += set + passed;
            monotonic += passed;
            const now = clock.now();
            expect(now).toBeGreaterThanOrEqual(last + passed);
            last = now;
          }
        },
      ),
    );
  });
});
