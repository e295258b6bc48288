import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { BinnacleError, type LeaseInfo } from '@binnacle/protocol';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { readProcess } from '../process/session-processes.ts';
import type { WritePermit } from '../sessions/lease.ts';
import { type HolderProcess, WriteLease, type WriteLeaseParts } from './write-lease.ts';

const MINUTE = 60_000;

/** A lease with a clock that the test sets, and all changes that it reported. */
class Bench {
  now = 1000;
  saved: string | null = null;
  saves = 0;
  refuse: Error | undefined;
  readonly changes: (LeaseInfo | null)[] = [];
  readonly processes = new Map<number, HolderProcess>();
  lease: WriteLease;

  constructor(saved: string | null = null, parts: Partial<WriteLeaseParts> = {}) {
    this.saved = saved;
    this.lease = this.open(parts);
  }

  open(parts: Partial<WriteLeaseParts> = {}): WriteLease {
    return new WriteLease(this.saved, {
      processOf: (pid) => this.processes.get(pid),
      save: (state) => {
        if (this.refuse !== undefined) throw this.refuse;
        this.saves += 1;
        this.saved = state;
      },
      changed: (info) => void this.changes.push(info),
      now: () => this.now,
      ...parts,
    });
  }

  /** As a crash and a new start: only what was saved is left. */
  restart(parts: Partial<WriteLeaseParts> = {}): void {
    this.lease.stop();
    this.lease = this.open(parts);
  }
}

const codeOf = (act: () => unknown): string => {
  try {
    act();
    return 'done';
  } catch (error) {
    return error instanceof BinnacleError ? error.code : String(error);
  }
};
const failureOf = (act: () => unknown): BinnacleError => {
  try {
    act();
  } catch (error) {
    if (error instanceof BinnacleError) return error;
    throw error;
  }
  throw new Error('It did not fail.');
};

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
});
afterEach(() => bench.lease.stop());

describe('one writer for a transcript', () => {
  test('admits anybody while nobody holds it, and its holder alone from then on', () => {
    const { lease } = bench;
    lease.check(lease.admit('anybody'));
    const { lease: secret, fence } = lease.acquire('ann');
    expect(lease.admit('not even asked', secret)).toEqual({ fence, by: 'ann' });
    expect(codeOf(() => lease.admit('bob'))).toBe('lease_held');
    expect(codeOf(() => lease.admit('bob', 'made-up'))).toBe('lease_lost');
    lease.release(secret);
    lease.check(lease.admit('bob'));
    expect(codeOf(() => lease.admit('ann', secret))).toBe('lease_lost');
  });

  test('names the holder, how long it is held, and its process, in the error', () => {
    bench.processes.set(42, { startTime: '7', isZombie: false });
    const { fence } = bench.lease.acquire('nightly import', { pid: 42, ttlMs: 5000 });
    bench.now += 1000;
    const failure = failureOf(() => bench.lease.acquire('ann'));
    expect(failure).toMatchObject({ code: 'lease_held', status: 409, retryable: true });
    expect(failure.message).toContain('nightly import');
    expect(failure.details).toEqual({ holder: 'nightly import', fence, expiresInMs: 4000, pid: 42 });
  });

  test('tells of every change of hands, once', () => {
    const { lease } = bench;
    const { lease: secret } = lease.acquire('ann');
    lease.acquire('bob', { take: true });
    expect(codeOf(() => lease.release(secret))).toBe('lease_lost');
    bench.now += 5 * MINUTE;
    expect(lease.info).toBeNull();
    expect(lease.info).toBeNull();
    expect(bench.changes.map((info) => info?.holder ?? null)).toEqual(['ann', 'bob', null]);
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
  test('a forced release without a fence let the old holder write beside the new one: here its admitted write is refused', () => {
    const { lease } = bench;
    const old = lease.acquire('old');
    const admitted = lease.admit('old', old.lease);
    const taken = lease.acquire('new', { take: true });
    expect(taken.fence).toBeGreaterThan(old.fence);
    expect(codeOf(() => lease.check(admitted))).toBe('lease_lost');
    expect(codeOf(() => lease.admit('old', old.lease))).toBe('lease_lost');
    lease.check(lease.admit('new', taken.lease));
  });

  test('a release by time let the old holder write too: what was admitted before it is refused, whoever came after', () => {
    const { lease } = bench;
    const { lease: secret } = lease.acquire('old');
    const admitted = lease.admit('old', secret);
    bench.now += 5 * MINUTE;
    // Nothing has read the lease, and no timer has fired.
    expect(codeOf(() => lease.check(admitted))).toBe('lease_lost');
    const free = lease.admit('anybody');
    lease.check(free);
    lease.acquire('new');
    expect(codeOf(() => lease.check(free))).toBe('lease_lost');
  });

  test('it was not released after background work (#86025): after autoReleaseAfterMs it is, 5 minutes by default', () => {
    const { lease } = bench;
    const { lease: secret, expiresInMs } = lease.acquire('maintenance');
    expect(expiresInMs).toBe(300_000);
    bench.now += 5 * MINUTE - 1;
    expect(codeOf(() => lease.acquire('ann'))).toBe('lease_held');
    bench.now += 1;
    expect(codeOf(() => lease.acquire('ann'))).toBe('done');
    expect(codeOf(() => lease.renew(secret))).toBe('lease_lost');
  });

  test('it was released only when somebody asked: here a timer tells those who watch', () => {
    vi.useFakeTimers();
    try {
      const changes: (LeaseInfo | null)[] = [];
      const lease = bench.open({ now: () => performance.now(), changed: (info) => void changes.push(info) });
      lease.acquire('ann', { ttlMs: 2000 });
      vi.advanceTimersByTime(1999);
      expect(changes).toHaveLength(1);
      vi.advanceTimersByTime(2);
      expect(changes.at(-1)).toBeNull();
      lease.acquire('ann', { ttlMs: 2000 });
      lease.end();
      const before = changes.length;
      vi.advanceTimersByTime(10_000);
      expect(changes).toHaveLength(before);
    } finally {
      vi.useRealTimers();
    }
  });

  test('it was not released at the end of a session (#86530): it goes with its conversation, and nobody gets another', () => {
    const { lease } = bench;
    const { lease: secret } = lease.acquire('ann');
    const admitted = lease.admit('ann', secret);
    lease.end();
    expect(lease.info).toBeNull();
    expect(JSON.parse(bench.saved ?? '')).toMatchObject({ holder: null, leaseHash: null });
    for (const act of [
      () => lease.check(admitted),
      () => lease.admit('ann', secret),
      () => lease.admit('bob'),
      () => lease.renew(secret),
      () => lease.acquire('bob', { take: true }),
    ]) {
      expect(codeOf(act)).toBe('conversation_not_found');
    }
    lease.end();
    expect(bench.changes).toHaveLength(2);
  });

  test('waiters ran into their timeout behind a hold of 17 minutes (#86801): nobody waits, who does not get it knows when to ask again', () => {
    const { lease } = bench;
    lease.acquire('a long turn', { ttlMs: 17 * MINUTE });
    const failure = failureOf(() => lease.acquire('ann'));
    expect(failure.details).toMatchObject({ holder: 'a long turn', expiresInMs: 17 * MINUTE });
    bench.now += Number(failure.details?.expiresInMs);
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
    for (; minutes < 180 && codeOf(() => lease.renew(secret)) === 'done'; minutes += 1) bench.now += MINUTE;
    expect(minutes).toBe(60);
    expect(lease.info).toBeNull();
    expect(codeOf(() => lease.acquire('ann'))).toBe('done');
  });

  test('who writes keeps it as long as it likes, and no time to live goes beyond the idle hold', () => {
    const { lease } = bench;
    const { lease: secret } = lease.acquire('busy');
    for (let n = 0; n < 100; n += 1) {
      bench.now += 4 * MINUTE;
      lease.check(lease.admit('busy', secret));
    }
    bench.now += 4 * MINUTE;
    expect(lease.renew(secret).expiresInMs).toBe(5 * MINUTE);
    lease.release(secret);
    const long = lease.acquire('long', { ttlMs: 24 * 60 * MINUTE });
    expect(long.expiresInMs).toBe(60 * MINUTE);
    bench.now += 30 * MINUTE;
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

  test('it was reentrant by a count that nobody could follow: here the holder is refused like anybody', () => {
    const { lease } = bench;
    const { lease: secret } = lease.acquire('ann');
    expect(codeOf(() => lease.acquire('ann'))).toBe('lease_held');
    lease.release(secret);
    expect(lease.info).toBeNull();
  });

  test('an old handle could free a newer hold: a lease frees nothing but its own', () => {
    const { lease } = bench;
    const first = lease.acquire('ann');
    lease.release(first.lease);
    lease.acquire('ann');
    expect(codeOf(() => lease.release(first.lease))).toBe('lease_lost');
    expect(lease.info?.holder).toBe('ann');
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
      bench.now += 30 * MINUTE - 1;
      expect(codeOf(() => bench.lease.acquire('ann'))).toBe('lease_held');
      bench.lease.release(secret);
    }
  });
});

describe('over a restart', () => {
  test('the holder goes on with its lease, and has its whole time again', () => {
    const { lease: secret, fence } = bench.lease.acquire('ann', { ttlMs: 1000 });
    bench.now += 999;
    bench.restart();
    expect(bench.lease.info).toEqual({ holder: 'ann', fence, expiresInMs: 300_000 });
    expect(bench.lease.admit('x', secret)).toEqual({ fence, by: 'ann' });
    expect(codeOf(() => bench.lease.acquire('bob'))).toBe('lease_held');
    expect(bench.saved).not.toContain(secret);
  });

  test('the fence never goes back, also when nobody holds it', () => {
    const { lease: secret, fence } = bench.lease.acquire('ann');
    bench.lease.release(secret);
    bench.restart();
    expect(bench.lease.info).toBeNull();
    expect(bench.lease.acquire('bob').fence).toBeGreaterThan(fence);
  });

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

  test('a disk that is full gives the lease to nobody, and takes it from nobody', () => {
    const { lease } = bench;
    const { lease: secret, fence } = lease.acquire('ann');
    const admitted = lease.admit('ann', secret);
    bench.refuse = new BinnacleError('disk_full');
    expect(codeOf(() => lease.acquire('bob', { take: true }))).toBe('disk_full');
    expect(lease.info?.holder).toBe('ann');
    // Nobody knows whether that number came to the disk, so it is used up.
    expect(codeOf(() => lease.check(admitted))).toBe('lease_lost');
    lease.check(lease.admit('ann', secret));
    lease.release(secret);
    expect(lease.info).toBeNull();
    expect(codeOf(() => lease.acquire('bob'))).toBe('disk_full');
    bench.refuse = undefined;
    expect(lease.acquire('bob').fence).toBeGreaterThan(fence);
  });
});

/** What a writer holds in its hands: a lease it once got, and writes that were admitted and not appended yet. */
interface Writer {
  readonly name: string;
  lease: string | undefined;
  readonly admitted: { readonly write: WritePermit; readonly lease: string | undefined }[];
}

/** What must be true, as one would say it: who holds it, and since when. */
class Model {
  holder: { readonly lease: string; readonly ttlMs: number; expiresAt: number; writtenAt: number } | undefined;
  readonly appended: { readonly fence: number; readonly lease: string | undefined }[] = [];

  at(now: number): this['holder'] {
    if (this.holder !== undefined && this.holder.expiresAt <= now) this.holder = undefined;
    return this.holder;
  }
}

const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('acquire' as const),
      take: fc.boolean(),
      ttlMs: fc.integer({ min: 1, max: 400 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('renew' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('release' as const) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('admit' as const), withLease: fc.boolean() }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('append' as const), which: fc.nat(3) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 300 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), sees: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('fill the disk' as const), isFull: fc.boolean() }) },
);

test('whatever several writers do, no two leases write between two changes of the fence, and no old fence writes', () => {
  const times = { autoReleaseAfterMs: 200, maxIdleHoldMs: 700 };
  let appends = 0;
  let refusals = 0;
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(2), step), { minLength: 20, maxLength: 80, size: 'max' }), (steps) => {
      const table = new Bench(null, { times });
      const model = new Model();
      const writers: Writer[] = ['a', 'b', 'c'].map((name) => ({ name, lease: undefined, admitted: [] }));
      let fence = table.lease.fence;
      for (const [index, what] of steps) {
        const writer = writers[index];
        if (writer === undefined) continue;
        const granted = model.at(table.now);
        const isMine = granted !== undefined && granted.lease === writer.lease;
        const extend = (): void => {
          if (granted !== undefined)
            granted.expiresAt = Math.min(table.now + granted.ttlMs, granted.writtenAt + times.maxIdleHoldMs);
        };
        const isFull = table.refuse !== undefined;
        switch (what.do) {
          case 'acquire': {
            const mayHave = granted === undefined || what.take;
            const code = codeOf(() => {
              writer.lease = table.lease.acquire(writer.name, what).lease;
            });
            expect(code).toBe(mayHave ? (isFull ? 'disk_full' : 'done') : 'lease_held');
            if (code !== 'done' || writer.lease === undefined) break;
            const { now } = table;
            const ttlMs = Math.min(what.ttlMs, times.maxIdleHoldMs);
            model.holder = { lease: writer.lease, ttlMs, expiresAt: now + ttlMs, writtenAt: now };
            break;
          }
          case 'renew':
            expect(codeOf(() => table.lease.renew(writer.lease ?? ''))).toBe(isMine ? 'done' : 'lease_lost');
            if (isMine) extend();
            break;
          case 'release':
            expect(codeOf(() => table.lease.release(writer.lease ?? ''))).toBe(isMine ? 'done' : 'lease_lost');
            if (isMine) model.holder = undefined;
            break;
          case 'admit': {
            const lease = what.withLease ? (writer.lease ?? 'none') : undefined;
            const code = codeOf(() => writer.admitted.push({ write: table.lease.admit(writer.name, lease), lease }));
            if (lease !== undefined) expect(code).toBe(isMine ? 'done' : 'lease_lost');
            else expect(code).toBe(granted === undefined ? 'done' : 'lease_held');
            if (code === 'done' && granted !== undefined) {
              granted.writtenAt = table.now;
              extend();
            }
            break;
          }
          case 'append': {
            const [pending] = writer.admitted.splice(what.which % Math.max(1, writer.admitted.length), 1);
            if (pending === undefined) break;
            const newest = Math.max(0, ...model.appended.map((one) => one.fence));
            if (codeOf(() => table.lease.check(pending.write)) !== 'done') {
              refusals += 1;
              break;
            }
            appends += 1;
            expect(pending.write.fence).toBe(table.lease.fence);
            expect(pending.write.fence).toBeGreaterThanOrEqual(newest);
            expect(pending.lease).toBe(granted?.lease);
            model.appended.push({ fence: pending.write.fence, lease: pending.lease });
            break;
          }
          case 'wait':
            table.now += what.ms;
            break;
          case 'fill the disk':
            table.refuse = what.isFull ? new BinnacleError('disk_full') : undefined;
            break;
          case 'restart': {
            // What was not saved is lost; the log has seen what was appended, and nothing is under way any more.
            const seenFence = Math.max(0, ...model.appended.map((one) => one.fence));
            for (const one of writers) one.admitted.splice(0);
            table.restart({ times, seenFence });
            fence = table.lease.fence;
            const { info } = table.lease;
            const lease = writers.find(({ name, lease: own }) => {
              return name === info?.holder && own !== undefined && codeOf(() => table.lease.renew(own)) === 'done';
            })?.lease;
            expect(lease === undefined).toBe(info === null);
            model.holder =
              lease === undefined ? undefined : { lease, ttlMs: 200, expiresAt: table.now + 200, writtenAt: table.now };
          }
        }
        expect(table.lease.fence).toBeGreaterThanOrEqual(fence);
        fence = table.lease.fence;
        const byFence = new Map<number, string | undefined>();
        for (const one of model.appended) {
          if (byFence.has(one.fence)) expect(byFence.get(one.fence)).toBe(one.lease);
          byFence.set(one.fence, one.lease);
        }
      }
      table.lease.stop();
    }),
    { numRuns: 500 },
  );
  // It would prove nothing if nobody wrote, or nobody was refused.
  expect(appends).toBeGreaterThan(100);
  expect(refusals).toBeGreaterThan(100);
});
