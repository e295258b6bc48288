import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { BinnacleError, type LeaseInfo } from '@binnacle/protocol';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { codeOf, type LeaseUnderTest, testLease } from '../lease/conformance.fixture.ts';
import { readProcess } from '../process/session-processes.ts';
import { ConversationLease, type ConversationLeaseParts, type ProcessState } from './lease.ts';

const MINUTE = 60_000;

interface BenchParts extends Partial<ConversationLeaseParts> {
  /** The highest fence in the log. */
  readonly seenFence?: number;
}

/** A lease, its disk and processes, and all changes that it reported. */
class Bench {
  saved: string | null = null;
  saves = 0;
  refuse: Error | undefined;
  readonly changes: (LeaseInfo | null)[] = [];
  readonly processes = new Map<number, ProcessState>();
  lease: ConversationLease;

  constructor(saved: string | null = null, parts: BenchParts = {}) {
    this.saved = saved;
    this.lease = this.open(parts);
  }

  open({ seenFence = 0, ...parts }: BenchParts = {}): ConversationLease {
    const lease = new ConversationLease(this.saved, {
      processOf: (pid) => this.processes.get(pid),
      save: (state) => {
        if (this.refuse !== undefined) throw this.refuse;
        this.saves += 1;
        this.saved = state;
      },
      changed: (info) => void this.changes.push(info),
      ...parts,
    });
    lease.catchUp(seenFence);
    return lease;
  }

  /** Simulates a crash and a new start: only the saved state is left. */
  restart(parts: BenchParts = {}): void {
    this.lease.stop();
    this.lease = this.open(parts);
  }
}

const failureOf = (act: () => unknown): BinnacleError => {
  try {
    act();
  } catch (error) {
    if (error instanceof BinnacleError) return error;
    throw error;
  }
  throw new Error('It did not fail.');
};

function underTest(): LeaseUnderTest {
  const bench = new Bench();
  return {
    get lease() {
      return bench.lease;
    },
    get saved() {
      return bench.saved ?? '';
    },
    changes: bench.changes,
    acquire: async (holder, { take, ttlMs } = {}) =>
      bench.lease.acquire(holder, { take: take === true, ...(ttlMs === undefined ? {} : { ttlMs }) }),
    setDiskFull: (isFull) => {
      bench.refuse = isFull ? new BinnacleError('disk_full') : undefined;
    },
    restart: (seenFence) => {
      bench.refuse = undefined;
      bench.restart({ seenFence });
    },
  };
}

describe('the lease of a conversation, like every lease', () => {
  const times = { ttlMs: 5 * MINUTE, maxTtlMs: 60 * MINUTE, maxIdleMs: 60 * MINUTE, graceMs: 5 * MINUTE };
  testLease(underTest, { ...times, raisesOnRelease: true, endCode: 'conversation_not_found' });
});

let bench: Bench;
beforeEach(() => {
  // The timers are late: only the clock goes on.
  vi.useFakeTimers({ toFake: ['performance'] });
  bench = new Bench();
});
afterEach(() => {
  bench.lease.stop();
  vi.useRealTimers();
});

describe('one writer for a transcript', () => {
  test('names the holder, how long it is held, and its process, in the error', () => {
    bench.processes.set(42, { startTime: '7', isZombie: false });
    const { fence } = bench.lease.acquire('nightly import', { pid: 42, ttlMs: 5000 });
    vi.advanceTimersByTime(1000);
    const failure = failureOf(() => bench.lease.acquire('ann'));
    expect(failure).toMatchObject({ code: 'lease_held', status: 409, retryable: true });
    expect(failure.message).toContain('nightly import');
    expect(failure.details).toEqual({ holder: 'nightly import', fence, expiresInMs: 4000, pid: 42 });
  });

  test('refuses a process that is not there, and holds nothing for it', () => {
    bench.processes.set(8, { startTime: '1', isZombie: true });
    for (const pid of [7, 8, 0, -1, 1.5, Number.NaN]) {
      expect(codeOf(() => bench.lease.acquire('ann', { pid }))).toBe('bad_request');
    }
    expect(bench.lease.info).toBeNull();
    expect(bench.lease.fence).toBe(0);
  });
});

describe('the faults of file locks', () => {
  test('a release by time let the old holder write too: what was admitted before it is refused, whoever came after', () => {
    const { lease } = bench;
    const { lease: secret } = lease.acquire('old');
    const admitted = lease.admit('old', secret);
    vi.advanceTimersByTime(5 * MINUTE);
    // Nothing has read the lease, and no timer has fired.
    expect(codeOf(() => lease.check(admitted))).toBe('lease_lost');
    const free = lease.admit('anybody');
    lease.check(free);
    lease.acquire('new');
    expect(codeOf(() => lease.check(free))).toBe('lease_lost');
  });

  test('waiters ran into their timeout behind a hold of 17 minutes (#86801): nobody waits, who does not get it knows when to ask again', () => {
    const { lease } = bench;
    lease.acquire('a long turn', { ttlMs: 17 * MINUTE });
    const failure = failureOf(() => lease.acquire('ann'));
    expect(failure.details).toMatchObject({ holder: 'a long turn', expiresInMs: 17 * MINUTE });
    vi.advanceTimersByTime(Number(failure.details?.expiresInMs));
    expect(codeOf(() => lease.acquire('ann'))).toBe('done');
  });

  test('a large transcript held it for long (#85762): ten thousand writes save nothing and cost no more than ten', () => {
    const { lease } = bench;
    const { lease: secret } = lease.acquire('ann');
    const { saves, saved } = bench;
    for (let n = 0; n < 10_000; n += 1) lease.check(lease.admit('ann', secret));
    expect(bench).toMatchObject({ saves, saved });
  });

  test('a wedged holder with a heartbeat held one for three hours (#120921): after an hour without a write no renewal helps', () => {
    const { lease } = bench;
    const { lease: secret } = lease.acquire('wedged');
    let minutes = 0;
    for (; minutes < 180 && codeOf(() => lease.renew(secret)) === 'done'; minutes += 1) vi.advanceTimersByTime(MINUTE);
    expect(minutes).toBe(60);
    expect(lease.info).toBeNull();
    expect(codeOf(() => lease.acquire('ann'))).toBe('done');
  });

  test('who writes keeps it as long as it likes, and no time to live goes beyond the idle hold', () => {
    const { lease } = bench;
    const { lease: secret } = lease.acquire('busy');
    for (let n = 0; n < 100; n += 1) {
      vi.advanceTimersByTime(4 * MINUTE);
      lease.check(lease.admit('busy', secret));
    }
    vi.advanceTimersByTime(4 * MINUTE);
    expect(lease.renew(secret).expiresInMs).toBe(5 * MINUTE);
    lease.release(secret);
    const long = lease.acquire('long', { ttlMs: 24 * 60 * MINUTE });
    expect(long.expiresInMs).toBe(60 * MINUTE);
    vi.advanceTimersByTime(30 * MINUTE);
    // The last write was the taking of it.
    expect(lease.renew(long.lease).expiresInMs).toBe(30 * MINUTE);
  });

  test('its errors were misread as failures of the model (#13744): they have codes of their own, and none of an agent', () => {
    const { lease } = bench;
    lease.acquire('ann');
    const granted = failureOf(() => lease.admit('bob'));
    const lost = failureOf(() => lease.admit('bob', 'x'));
    expect([granted.code, granted.status, granted.retryable]).toEqual(['lease_held', 409, true]);
    expect([lost.code, lost.status, lost.retryable]).toEqual(['lease_lost', 409, false]);
  });

  test('a holder that had died was waited for: it is found by whoever asks, and released at once', async () => {
    const child = spawn('sleep', ['600']);
    await once(child, 'spawn');
    const { pid = -1 } = child;
    const lease = bench.open({ processOf: readProcess });
    const secret = lease.acquire('import', { pid }).lease;
    const admitted = lease.admit('import', secret);
    expect(codeOf(() => lease.acquire('ann'))).toBe('lease_held');
    expect(lease.info?.holder).toBe('import');
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(codeOf(() => lease.admit('ann'))).toBe('done');
    expect(bench.changes.at(-1)).toBeNull();
    expect(codeOf(() => lease.check(admitted))).toBe('lease_lost');
    expect(lease.info).toBeNull();
    lease.stop();
  });

  test('a process that had come by the pid of a dead holder was taken for it: the time of its start tells them apart', () => {
    bench.processes.set(42, { startTime: '100', isZombie: false });
    bench.lease.acquire('import', { pid: 42 });
    bench.processes.set(42, { startTime: '200', isZombie: false });
    expect(codeOf(() => bench.lease.acquire('ann'))).toBe('done');
    bench.lease.acquire('import', { pid: 42, take: true });
    bench.processes.set(42, { startTime: '200', isZombie: true });
    expect(bench.lease.info).toBeNull();
  });

  test('a hold that this process itself had left behind was nobody’s: after a restart it is found by its start', () => {
    bench.processes.set(process.pid, { startTime: '100', isZombie: false });
    bench.lease.acquire('the gateway', { pid: process.pid });
    bench.processes.set(process.pid, { startTime: '900', isZombie: false });
    bench.restart();
    expect(codeOf(() => bench.lease.admit('ann'))).toBe('done');
  });

  test('one that lives was reclaimed by its age: neither a live process nor a remote holder loses it before its time', () => {
    bench.processes.set(42, { startTime: '1', isZombie: false });
    for (const options of [{ pid: 42 }, {}]) {
      const { lease: secret } = bench.lease.acquire('slow', { ...options, ttlMs: 30 * MINUTE });
      vi.advanceTimersByTime(30 * MINUTE - 1);
      expect(codeOf(() => bench.lease.acquire('ann'))).toBe('lease_held');
      bench.lease.release(secret);
    }
  });
});

describe('over a restart', () => {
  test('the fence never goes back when the log has seen a higher one than was saved, and the old holder is out', () => {
    const { lease: secret, fence } = bench.lease.acquire('ann');
    bench.restart({ seenFence: fence + 7 });
    expect(bench.lease.info).toBeNull();
    expect(codeOf(() => bench.lease.admit('ann', secret))).toBe('lease_lost');
    // With that number somebody else has written.
    expect(bench.lease.fence).toBe(fence + 8);
  });

  test.each([
    ['', 0],
    ['{', 0],
    ['null', 0],
    ['[]', 0],
    ['7', 0],
    ['{"fence":-3,"holder":null,"leaseHash":null}', 0],
    ['{"fence":1e99,"holder":null,"leaseHash":null}', 0],
    ['{"fence":"12","holder":"ann","leaseHash":"h"}', 0],
    ['{"fence":12,"holder":"ann"}', 12],
    ['{"fence":12,"holder":"ann","leaseHash":7}', 12],
    ['{"fence":12,"holder":{},"leaseHash":"h"}', 12],
    ['{"fence":12,"holder":"ann","leaseHash":"h","pid":"x","startTime":"1"}', 12],
    ['{"fence":12,"holder":"ann","leaseHash":"h","pid":4}', 12],
    ['{"fence":12,"holder":"ann","leaseHa', 12],
    ['{"fence":12,"holder":"ann"}{"fence":15,"hol', 15],
  ])('a state that cannot be read, %j, names no holder but keeps the highest fence', (saved, fence) => {
    const opened = new Bench(saved);
    expect(opened.lease.info).toBeNull();
    expect(opened.lease.fence).toBe(fence + 1);
    opened.lease.check(opened.lease.admit('anybody'));
    const higher = new Bench(saved, { seenFence: 40 });
    expect(higher.lease.fence).toBe(41);
  });

  test('no text at all is too much for it', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), fc.nat(1000), (saved, seenFence) => {
        const opened = new Bench(saved, { seenFence });
        expect(opened.lease.info).toBeNull();
        expect(opened.lease.fence).toBeGreaterThanOrEqual(seenFence);
        expect(opened.lease.acquire('ann').fence).toBeGreaterThan(seenFence);
        opened.lease.stop();
      }),
    );
  });
});
