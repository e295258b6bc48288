import type { LeaseInfo } from '@binnacle/protocol';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SessionLease, type SessionLeaseRecord } from './lease.ts';

const TIMES = { autoReleaseAfterMs: 300_000, graceMs: 15_000 };
const FREE: SessionLeaseRecord = { holder: null, leaseHash: null, fence: 0 };

class Recorder {
  readonly raised: number[] = [];
  readonly changes: (LeaseInfo | null)[] = [];
  saved: SessionLeaseRecord = FREE;
  /** What the next raise does instead of succeeding. */
  refuse: Error | undefined;

  readonly raiseFence = async (fence: number): Promise<void> => {
    const { refuse } = this;
    this.refuse = undefined;
    this.raised.push(fence);
    if (refuse !== undefined) throw refuse;
  };
  readonly changed = (lease: LeaseInfo | null): void => void this.changes.push(lease);
  readonly save = (record: SessionLeaseRecord): void => {
    this.saved = record;
  };
}

function openLease(record: SessionLeaseRecord = FREE) {
  const events = new Recorder();
  events.saved = record;
  return { sessionLease: new SessionLease(record, { times: TIMES, events }), events };
}

const codeOf = (act: () => unknown): string => {
  try {
    act();
    return 'admitted';
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
};
const lateCodeOf = (act: Promise<unknown>): Promise<string> =>
  act.then(
    () => 'granted',
    (error: { code?: string }) => error.code ?? String(error),
  );

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

describe('the lease of a session', () => {
  it('is free at first, and then anybody may write', () => {
    const { sessionLease } = openLease();
    expect(sessionLease.info).toBeNull();
    expect(sessionLease.admit('ada')).toEqual({ fence: 0, by: 'ada' });
  });

  it('has one holder, who alone may write', async () => {
    const { sessionLease } = openLease();
    const { lease, fence } = await sessionLease.acquire('ada');
    expect(sessionLease.admit('whoever', lease)).toEqual({ fence, by: 'ada' });
    expect(codeOf(() => sessionLease.admit('bob'))).toBe('lease_held');
    expect(codeOf(() => sessionLease.admit('bob', 'a wrong one'))).toBe('lease_lost');
    await expect(sessionLease.acquire('bob')).rejects.toMatchObject({ code: 'lease_held', details: { holder: 'ada' } });
  });

  it('goes to exactly one of twenty who ask at once', async () => {
    const { sessionLease } = openLease();
    const attempts = Array.from({ length: 20 }, (_, n) => lateCodeOf(sessionLease.acquire(`writer ${n}`)));
    const answers = await Promise.all(attempts);
    expect(answers.filter((answer) => answer === 'granted')).toHaveLength(1);
    expect(answers.filter((answer) => answer === 'lease_held')).toHaveLength(19);
  });

  it('goes to the last of twenty who take it at once, and each gets a higher fence', async () => {
    const { sessionLease, events } = openLease();
    const leases = await Promise.all(
      Array.from({ length: 20 }, (_, n) => sessionLease.acquire(`taker ${n}`, { take: true })),
    );
    expect(leases.map(({ fence }) => fence)).toEqual(Array.from({ length: 20 }, (_, n) => n + 1));
    expect(events.raised).toEqual(leases.map(({ fence }) => fence));
    const admitted = leases.filter(({ lease }) => codeOf(() => sessionLease.admit('x', lease)) === 'admitted');
    expect(admitted.map(({ holder }) => holder)).toEqual(['taker 19']);
  });

  it('releases itself after autoReleaseAfterMs without a write, and tells', async () => {
    const { sessionLease, events } = openLease();
    const { lease } = await sessionLease.acquire('ada');
    vi.advanceTimersByTime(299_999);
    sessionLease.admit('ada', lease);
    vi.advanceTimersByTime(299_999);
    expect(events.changes).toHaveLength(1);
    vi.advanceTimersByTime(2);
    expect(events.changes.at(-1)).toBeNull();
    expect(events.saved).toEqual({ holder: null, leaseHash: null, fence: 1 });
    expect(codeOf(() => sessionLease.admit('ada', lease))).toBe('lease_lost');
    expect(codeOf(() => sessionLease.renew(lease))).toBe('lease_lost');
    expect(codeOf(() => sessionLease.admit('bob'))).toBe('admitted');
  });

  it('is held longer by renewing, and for as long as was asked, a day at most', async () => {
    const { sessionLease } = openLease();
    const { lease } = await sessionLease.acquire('ada', { ttlMs: 5_000 });
    for (let n = 0; n < 10; n++) {
      vi.advanceTimersByTime(4_000);
      expect(sessionLease.renew(lease).expiresInMs).toBe(5_000);
    }
    vi.advanceTimersByTime(5_000);
    expect(sessionLease.info).toBeNull();
    expect((await sessionLease.acquire('ada', { ttlMs: Number.MAX_SAFE_INTEGER })).expiresInMs).toBe(24 * 3600_000);
  });

  it('is let go of a grace after the connection of its holder broke', async () => {
    const { sessionLease } = openLease();
    const { lease } = await sessionLease.acquire('ada', { connection: 'one' });
    expect(sessionLease.admit('ada', undefined, 'one').by).toBe('ada');
    sessionLease.connectionOnClose('another');
    sessionLease.connectionOnClose('one');
    expect(codeOf(() => sessionLease.admit('ada', undefined, 'one'))).toBe('lease_held');
    vi.advanceTimersByTime(14_999);
    expect(await lateCodeOf(sessionLease.acquire('bob'))).toBe('lease_held');
    vi.advanceTimersByTime(1);
    expect(await lateCodeOf(sessionLease.acquire('bob'))).toBe('granted');
    expect(codeOf(() => sessionLease.admit('ada', lease))).toBe('lease_lost');
  });

  it('stays with a holder who comes back within the grace, on another connection', async () => {
    const { sessionLease } = openLease();
    const { lease } = await sessionLease.acquire('ada', { connection: 'one' });
    sessionLease.connectionOnClose('one');
    vi.advanceTimersByTime(10_000);
    sessionLease.renew(lease, 'two');
    // The end of the first connection is noticed late: it is not the holder's any more.
    sessionLease.connectionOnClose('one');
    vi.advanceTimersByTime(100_000);
    expect(sessionLease.belongsTo('two')).toBe(true);
    expect(sessionLease.belongsTo('one')).toBe(false);
  });

  it('is handed over by its holder alone, who is out from then on', async () => {
    const { sessionLease, events } = openLease();
    const { lease } = await sessionLease.acquire('ada', { connection: 'one' });
    expect(await lateCodeOf(sessionLease.transfer('a wrong one', 'eve'))).toBe('lease_lost');
    const issued = await sessionLease.transfer(lease, 'bob', { connection: 'two' });
    expect(issued).toMatchObject({ holder: 'bob', fence: 2, expiresInMs: TIMES.autoReleaseAfterMs });
    expect(events.raised).toEqual([1, 2]);
    expect(codeOf(() => sessionLease.admit('ada', lease))).toBe('lease_lost');
    expect(codeOf(() => sessionLease.admit('ada', undefined, 'one'))).toBe('lease_held');
    expect(sessionLease.admit('bob', issued.lease)).toEqual({ fence: 2, by: 'bob' });
    expect(sessionLease.connection).toBe('two');
    expect(await lateCodeOf(sessionLease.transfer(lease, 'eve'))).toBe('lease_lost');
  });

  it('is handed to one of two hands, and to none where it was taken first', async () => {
    const { sessionLease } = openLease();
    const { lease } = await sessionLease.acquire('ada');
    const answers = [sessionLease.transfer(lease, 'bob'), sessionLease.transfer(lease, 'eve')].map(lateCodeOf);
    expect(await Promise.all(answers)).toEqual(['granted', 'lease_lost']);
    const { lease: next } = await sessionLease.acquire('cyd', { take: true });
    const taken = sessionLease.acquire('dan', { take: true });
    expect(await lateCodeOf(sessionLease.transfer(next, 'bob'))).toBe('lease_lost');
    expect(sessionLease.admit('dan', (await taken).lease).by).toBe('dan');
  });

  it('survives a restart: its holder may go on, others wait for the grace', async () => {
    const before = openLease();
    const { lease, fence } = await before.sessionLease.acquire('ada');
    const { sessionLease } = openLease(before.events.saved);
    expect(sessionLease.info).toMatchObject({ holder: 'ada', fence });
    expect(await lateCodeOf(sessionLease.acquire('bob'))).toBe('lease_held');
    vi.advanceTimersByTime(14_999);
    expect(sessionLease.renew(lease)).toMatchObject({ fence, expiresInMs: TIMES.autoReleaseAfterMs });
    const other = openLease(before.events.saved).sessionLease;
    vi.advanceTimersByTime(15_000);
    expect((await other.acquire('bob')).fence).toBe(fence + 1);
  });

  it('is kept as a digest: what is saved cannot be used to write', async () => {
    const { sessionLease, events } = openLease();
    const { lease } = await sessionLease.acquire('ada');
    expect(JSON.stringify(events.saved)).not.toContain(lease);
    expect(codeOf(() => sessionLease.admit('eve', events.saved.leaseHash ?? ''))).toBe('lease_lost');
  });

  it("is nobody's once the program has ended, also after a restart", async () => {
    const { sessionLease, events } = openLease();
    const { lease } = await sessionLease.acquire('ada');
    sessionLease.end();
    expect(sessionLease.info).toBeNull();
    expect(codeOf(() => sessionLease.renew(lease))).toBe('session_exited');
    expect(openLease(events.saved).sessionLease.info).toBeNull();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('goes to none of those who wait for it when the program ends', async () => {
    const { sessionLease, events } = openLease();
    const { lease } = await sessionLease.acquire('ada');
    const attempts = [
      sessionLease.transfer(lease, 'bob'),
      sessionLease.acquire('cyd', { take: true }),
      sessionLease.acquire('dan'),
    ];
    const answers = attempts.map(lateCodeOf);
    sessionLease.end();
    expect(await Promise.all(answers)).toEqual(['lease_lost', 'session_exited', 'session_exited']);
    expect([sessionLease.info, events.saved.holder, vi.getTimerCount()]).toEqual([null, null, 0]);
  });

  it('never uses a fence twice that a runner may have seen, though the runner did not answer', async () => {
    const { sessionLease, events } = openLease();
    const { lease } = await sessionLease.acquire('ada');
    events.refuse = new Error('no answer');
    await expect(sessionLease.acquire('bob', { take: true })).rejects.toThrow('no answer');
    // Nobody knows whether the runner refuses the old fence now: ada would write into the void.
    expect(codeOf(() => sessionLease.admit('ada', lease))).toBe('lease_lost');
    expect(sessionLease.admit('eve').fence).toBe(2);
    expect((await sessionLease.acquire('bob')).fence).toBe(3);
  });

  it('believes a runner that has seen a higher fence: its holder was on the way out when the gateway was killed', async () => {
    const before = openLease();
    const { lease } = await before.sessionLease.acquire('ada');
    const { sessionLease } = openLease(before.events.saved);
    sessionLease.catchUp(1);
    expect(sessionLease.info?.holder).toBe('ada');
    sessionLease.catchUp(2);
    expect(codeOf(() => sessionLease.admit('ada', lease))).toBe('lease_lost');
    expect(sessionLease.admit('bob').fence).toBe(2);
    expect((await sessionLease.acquire('bob')).fence).toBe(3);
  });
});

type Step =
  | { readonly act: 'acquire' | 'take'; readonly who: number; readonly ttlMs: number }
  | { readonly act: 'renew' | 'release' | 'write'; readonly lease: number }
  | { readonly act: 'hand over'; readonly lease: number; readonly who: number }
  | { readonly act: 'close' | 'free write'; readonly who: number }
  | { readonly act: 'wait'; readonly ms: number }
  | { readonly act: 'restart' };

const who = fc.nat(3);
const lease = fc.nat(5);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ act: fc.constantFrom('acquire', 'take'), who, ttlMs: fc.constantFrom(1_000, 20_000, 300_000) }),
  fc.record({ act: fc.constantFrom('renew', 'release', 'write', 'write'), lease }),
  fc.record({ act: fc.constant('hand over'), lease, who }),
  fc.record({ act: fc.constantFrom('close', 'free write'), who }),
  fc.record({ act: fc.constant('wait'), ms: fc.constantFrom(1, 500, 14_999, 15_000, 60_000, 300_000) }),
  fc.record({ act: fc.constant('restart') }),
) as fc.Arbitrary<Step>;

/** The rules of a lease, in their simplest form. */
interface Model {
  fence: number;
  holder: { who: number; lease: string; expiresAt: number; ttlMs: number; isConnected: boolean } | undefined;
}

describe('one lease: any sequence of steps', () => {
  it('leaves at most one writer, admits only the holder, and raises the fence at each change of hands', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        let { sessionLease, events } = openLease();
        const model: Model = { fence: 0, holder: undefined };
        const leases: string[] = [];
        const holderNow = () => {
          if (model.holder !== undefined && model.holder.expiresAt <= performance.now()) model.holder = undefined;
          return model.holder;
        };
        for (const one of steps) {
          const holder = holderNow();
          const now = performance.now();
          switch (one.act) {
            case 'acquire':
            case 'take': {
              const take = one.act === 'take';
              const options = { take, ttlMs: one.ttlMs, connection: `c${one.who}` };
              const granted = await sessionLease.acquire(`w${one.who}`, options).catch(() => undefined);
              expect(granted !== undefined).toBe(holder === undefined || take);
              if (granted === undefined) break;
              expect(granted.fence).toBe(model.fence + 1);
              expect(events.raised.at(-1)).toBe(granted.fence);
              model.fence = granted.fence;
              model.holder = {
                who: one.who,
                lease: granted.lease,
                expiresAt: now + one.ttlMs,
                ttlMs: one.ttlMs,
                isConnected: true,
              };
              leases.push(granted.lease);
              break;
            }
            case 'hand over': {
              const issued = leases.at(-1 - one.lease);
              if (issued === undefined) break;
              const granted = await sessionLease
                .transfer(issued, `w${one.who}`, { connection: `c${one.who}` })
                .catch(() => undefined);
              expect(granted !== undefined).toBe(issued === holder?.lease);
              if (granted === undefined) break;
              expect(granted.fence).toBe(model.fence + 1);
              expect(events.raised.at(-1)).toBe(granted.fence);
              model.fence = granted.fence;
              const ttlMs = TIMES.autoReleaseAfterMs;
              model.holder = {
                ...{ who: one.who, lease: granted.lease, expiresAt: now + ttlMs, ttlMs },
                isConnected: true,
              };
              leases.push(granted.lease);
              break;
            }
            case 'renew':
            case 'write':
            case 'release': {
              const issued = leases.at(-1 - one.lease);
              if (issued === undefined) break;
              const act = () =>
                one.act === 'renew'
                  ? sessionLease.renew(issued)
                  : one.act === 'write'
                    ? sessionLease.admit('x', issued)
                    : sessionLease.release(issued);
              expect(codeOf(act)).toBe(issued === holder?.lease ? 'admitted' : 'lease_lost');
              if (issued !== holder?.lease) break;
              if (one.act === 'release') model.holder = undefined;
              else holder.expiresAt = now + holder.ttlMs;
              break;
            }
            case 'free write': {
              const isOwn = holder?.isConnected === true && holder.who === one.who;
              const code = codeOf(() =>
                expect(sessionLease.admit('y', undefined, `c${one.who}`).fence).toBe(model.fence),
              );
              expect(code).toBe(holder === undefined || isOwn ? 'admitted' : 'lease_held');
              if (isOwn) holder.expiresAt = now + holder.ttlMs;
              break;
            }
            case 'close':
              sessionLease.connectionOnClose(`c${one.who}`);
              if (holder?.isConnected === true && holder.who === one.who) {
                holder.isConnected = false;
                holder.expiresAt = Math.min(holder.expiresAt, now + TIMES.graceMs);
              }
              break;
            case 'wait':
              vi.advanceTimersByTime(one.ms);
              break;
            case 'restart':
              sessionLease.stop();
              ({ sessionLease, events } = openLease(events.saved));
              if (holder !== undefined)
                model.holder = {
                  ...holder,
                  expiresAt: now + TIMES.graceMs,
                  ttlMs: TIMES.autoReleaseAfterMs,
                  isConnected: false,
                };
              break;
          }
          const expected = holderNow();
          expect(sessionLease.info?.holder).toBe(expected === undefined ? undefined : `w${expected.who}`);
          expect(sessionLease.fence).toBe(model.fence);
          expect(events.saved.fence).toBe(model.fence);
          const admitted = leases.filter((each) => each === expected?.lease);
          expect(admitted.length).toBeLessThanOrEqual(1);
        }
        sessionLease.stop();
      }),
      { numRuns: 300 },
    );
  });
});
