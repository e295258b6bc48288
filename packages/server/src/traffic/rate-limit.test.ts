import { describe, expect, it } from 'vitest';
import { SenderRateLimit } from './rate-limit.ts';

function start(limits: { eventsPerSecond: number; bytesPerSecond: number }) {
  const clock = { now: 5000 };
  return { clock, rates: new SenderRateLimit(limits, () => clock.now) };
}

describe('what one sender may send in a second', () => {
  it('lets two seconds of it through at once, and says how long the next has to wait', () => {
    const { rates, clock } = start({ eventsPerSecond: 100, bytesPerSecond: Number.POSITIVE_INFINITY });
    expect(rates.take('ada', 150, 0)).toBe(0);
    expect(rates.take('ada', 50, 0)).toBe(0);
    expect(rates.take('ada', 50, 0)).toBe(500);
    clock.now += 499;
    expect(rates.take('ada', 50, 0)).toBe(1);
    clock.now += 1;
    expect(rates.take('ada', 50, 0)).toBe(0);
    expect(rates.take('ada', 1, 0)).toBe(10);
  });

  it('counts bytes beside events', () => {
    const { rates, clock } = start({ eventsPerSecond: 1000, bytesPerSecond: 1000 });
    expect(rates.take('ada', 1, 1900)).toBe(0);
    expect(rates.take('ada', 1, 200)).toBe(100);
    clock.now += 100;
    expect(rates.take('ada', 1, 200)).toBe(0);
  });

  it('takes one that is larger than all of its share, but only from who has used nothing', () => {
    const { rates, clock } = start({ eventsPerSecond: 10, bytesPerSecond: 100 });
    expect(rates.take('ada', 1, 1000)).toBe(0);
    expect(rates.take('ada', 1, 1000)).toBe(10_000);
    clock.now += 9999;
    expect(rates.take('ada', 1, 1000)).toBe(1);
    clock.now += 1;
    expect(rates.take('ada', 1, 1000)).toBe(0);
  });

  it('counts nothing that it has refused', () => {
    const { rates, clock } = start({ eventsPerSecond: 10, bytesPerSecond: 100 });
    expect(rates.take('ada', 20, 0)).toBe(0);
    for (let n = 0; n < 100; n += 1) expect(rates.take('ada', 10, 0)).toBe(1000);
    clock.now += 1000;
    expect(rates.take('ada', 10, 0)).toBe(0);
  });

  it('counts each sender for itself, however many there are', () => {
    const { rates, clock } = start({ eventsPerSecond: 10, bytesPerSecond: 100 });
    for (let n = 0; n < 3000; n += 1) {
      clock.now += 1;
      expect(rates.take(`sender-${n}`, 20, 0)).toBe(0);
    }
    expect(rates.take('sender-2999', 10, 0)).toBe(1000);
    expect(rates.take('sender-2500', 10, 0)).toBe(501);
    expect(rates.take('sender-0', 20, 0)).toBe(0);
  });

  it('knows no limit where there is none, also twice in one moment', () => {
    const { rates } = start({ eventsPerSecond: 2, bytesPerSecond: Number.POSITIVE_INFINITY });
    expect([1, 2, 3, 4, 5].map(() => rates.take('ada', 1, 0))).toEqual([0, 0, 0, 0, 500]);
  });
});
