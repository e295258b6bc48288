import { expect, it } from 'vitest';
import { RateLimit } from './rate-limit.ts';

function start(perSecond: number) {
  const clock = { now: 5000 };
  return { clock, limit: new RateLimit(perSecond, () => clock.now) };
}

it('two seconds of the rate may come at once, and the rest waits until it has drained', () => {
  const { clock, limit } = start(100);
  expect(limit.take(200)).toBe(0);
  expect(limit.waitMs(50)).toBe(500);
  expect(limit.take(50)).toBe(500);
  clock.now += 499;
  expect(limit.take(0)).toBeCloseTo(1);
  clock.now += 2001;
  expect(limit.isUnused).toBe(true);
});

it('a query counts nothing, and an amount of any size may come while nothing is used', () => {
  const { clock, limit } = start(10);
  for (let i = 0; i < 100; i++) expect(limit.waitMs(1000)).toBe(0);
  expect(limit.take(1000)).toBe(98_000);
  // It waits until nothing is used, not for ever.
  expect(limit.waitMs(1000)).toBe(100_000);
  clock.now += 100_000;
  expect(limit.waitMs(1000)).toBe(0);
});

it('what is given back may be taken again, and gives no credit', () => {
  const { clock, limit } = start(10);
  limit.take(20);
  expect(limit.take(20)).toBe(2000);
  limit.take(-20);
  expect(limit.take(0)).toBe(0);
  clock.now += 2000;
  limit.take(-100);
  expect(limit.take(21)).toBe(100);
});

it('knows no limit where there is none, also twice in one moment', () => {
  const { limit } = start(Number.POSITIVE_INFINITY);
  for (let i = 0; i < 3; i++) expect([limit.waitMs(1e9), limit.take(1e9)]).toEqual([0, 0]);
});
