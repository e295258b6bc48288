import type { Lease, LeaseInfo } from '@binnacle/protocol';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { codeOf, type LeaseUnderTest, lateCodeOf, testLease } from '../lease/conformance.fixture.ts';
import type { StoredLease } from '../lease/write-lease.ts';
import { SESSION_LEASE_TIMES, SessionLease } from './lease.ts';

const FREE: StoredLease = { holder: null, leaseHash: null, fence: 0 };

class Recorder {
  readonly raised: number[] = [];
  readonly changes: (LeaseInfo | null)[] = [];
  saved: StoredLease = FREE;
  /** What the next raise does instead of succeeding. */
  refuse: Error | undefined;

  readonly raiseFence = async (fence: number): Promise<void> => {
    const { refuse } = this;
    this.refuse = undefined;
    this.raised.push(fence);
    if (refuse !== undefined) throw refuse;
  };
  readonly changed = (lease: LeaseInfo | null): void => void this.changes.push(lease);
  readonly save = (stored: StoredLease): void => {
    this.saved = stored;
  };
}

function openLease(stored: StoredLease = FREE, events = new Recorder()) {
  events.saved = stored;
  return { sessionLease: new SessionLease(stored, { times: SESSION_LEASE_TIMES, events }), events };
}

function underTest(): LeaseUnderTest {
  let { sessionLease, events } = openLease();
  const raised = (lease: Lease): Lease => {
    // The runner knows the fence of a lease before its holder does.
    expect(events.raised.at(-1)).toBe(lease.fence);
    return lease;
  };
  return {
    get lease() {
      return sessionLease;
    },
    get saved() {
      return JSON.stringify(events.saved);
    },
    changes: events.changes,
    acquire: async (holder, options) => raised(await sessionLease.acquire(holder, options)),
    transfer: async (lease, holder, connection) => raised(await sessionLease.transfer(lease, holder, { connection })),
    restart: () => {
      sessionLease.stop();
      ({ sessionLease } = openLease(events.saved, events));
    },
  };
}

describe('the lease of a session, like every lease', () => {
  const times = { ttlMs: 300_000, maxTtlMs: 24 * 3600_000, maxIdleMs: Number.POSITIVE_INFINITY, graceMs: 15_000 };
  testLease(underTest, { ...times, raisesOnRelease: false, endCode: 'session_exited' });
});

describe('the lease of a session', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
  afterEach(() => void vi.useRealTimers());

  it('goes to exactly one of twenty who ask at once', async () => {
    const { sessionLease } = openLease();
    const attempts = Array.from({ length: 20 }, (_, n) => lateCodeOf(sessionLease.acquire(`writer ${n}`)));
    const answers = await Promise.all(attempts);
    expect(answers.filter((answer) => answer === 'done')).toHaveLength(1);
    expect(answers.filter((answer) => answer === 'lease_held')).toHaveLength(19);
  });

  it('goes to the last of twenty who take it at once, and each gets a higher fence', async () => {
    const { sessionLease, events } = openLease();
    const leases = await Promise.all(
      Array.from({ length: 20 }, (_, n) => sessionLease.acquire(`taker ${n}`, { take: true })),
    );
    expect(leases.map(({ fence }) => fence)).toEqual(Array.from({ length: 20 }, (_, n) => n + 1));
    expect(events.raised).toEqual(leases.map(({ fence }) => fence));
    const admitted = leases.filter(({ lease }) => codeOf(() => sessionLease.admit('x', lease)) === 'done');
    expect(admitted.map(({ holder }) => holder)).toEqual(['taker 19']);
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
    expect(await lateCodeOf(sessionLease.acquire('bob'))).toBe('done');
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
    expect(issued).toMatchObject({ holder: 'bob', fence: 2, expiresInMs: SESSION_LEASE_TIMES.autoReleaseAfterMs });
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
    expect(await Promise.all(answers)).toEqual(['done', 'lease_lost']);
    const { lease: next } = await sessionLease.acquire('cyd', { take: true });
    const taken = sessionLease.acquire('dan', { take: true });
    expect(await lateCodeOf(sessionLease.transfer(next, 'bob'))).toBe('lease_lost');
    expect(sessionLease.admit('dan', (await taken).lease).by).toBe('dan');
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
