import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AttemptLimiter, limiterKey } from './attempt-limit.ts';

describe('the limiter', () => {
  test('lets an address fail 20 times in any minute, and no more', () => {
    let now = 0;
    const limiter = new AttemptLimiter({ now: () => now });
    for (let i = 0; i < 20; i += 1) {
      expect(limiter.waitMs('a')).toBe(0);
      limiter.fail('a');
      now += 1000;
    }
    expect(limiter.waitMs('a')).toBe(40_000);
    expect(limiter.waitMs('b')).toBe(0);
    now = 60_000;
    expect(limiter.waitMs('a')).toBe(0);
    limiter.fail('a');
    expect(limiter.waitMs('a')).toBe(1000);
  });

  test('never evaluates more than the limit in a window, however the failures are spread', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20_000), { minLength: 30, maxLength: 200 }), (gaps) => {
        let now = 0;
        const limiter = new AttemptLimiter({ now: () => now, perAddress: 5 });
        const evaluated: number[] = [];
        for (const gap of gaps) {
          now += gap;
          if (limiter.waitMs('a') > 0) continue;
          limiter.fail('a');
          evaluated.push(now);
        }
        for (const time of evaluated) {
          expect(evaluated.filter((other) => other >= time && other < time + 60_000).length).toBeLessThanOrEqual(5);
        }
      }),
    );
  });

  test('counts all addresses together as well', () => {
    const limiter = new AttemptLimiter({ now: () => 0, total: 50 });
    for (let i = 0; i < 50; i += 1) limiter.fail(`address ${i}`);
    expect(limiter.waitMs('another')).toBe(60_000);
  });

  test('remembers a bounded number of addresses', () => {
    const limiter = new AttemptLimiter({ now: () => 0, maxAddresses: 100, total: 1_000_000 });
    for (let i = 0; i < 10_000; i += 1) limiter.fail(`address ${i}`);
    expect(limiter.addresses).toBe(100);
  });
});

describe('the key of an address', () => {
  test('is the same for every spelling of an IPv4 address', () => {
    for (const spelling of [
      '1.2.3.4',
      '::ffff:1.2.3.4',
      '::FFFF:1.2.3.4',
      '::ffff:102:304',
      '0:0:0:0:0:ffff:102:304',
    ]) {
      expect.soft(limiterKey(spelling)).toBe('1.2.3.4');
    }
  });

  test('is the /64 of an IPv6 address', () => {
    expect(limiterKey('2001:db8:1:2::1')).toBe('2001:db8:1:2::/64');
    expect(limiterKey('2001:db8:1:2:ffff:ffff:ffff:ffff')).toBe('2001:db8:1:2::/64');
    expect(limiterKey('fe80::1%eth0')).toBe('fe80:0:0:0::/64');
    expect(limiterKey('::1')).toBe('0:0:0:0::/64');
    expect(limiterKey(undefined)).toBe('local');
  });

  test('is never shared by two /64s', () => {
    const groups = fc.array(fc.nat(0xffff), { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(groups, groups, (a, b) => {
        const text = (list: number[]) => list.map((word) => word.toString(16)).join(':');
        const same = a.slice(0, 4).join() === b.slice(0, 4).join();
        expect(limiterKey(text(a)) === limiterKey(text(b))).toBe(same);
      }),
    );
  });
});
