// A test suite of the promises of every write lease. The lease of a session and that of a conversation run it.

import { BinnacleError, type Lease, type LeaseInfo } from '@binnacle/protocol';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { LeaseRules, WriteLease, WritePermit } from './write-lease.ts';

/** A lease under test, and what it reported. */
export interface LeaseUnderTest {
  readonly lease: WriteLease;
  /** The last state that was saved, as JSON. */
  readonly saved: string;
  readonly changes: readonly (LeaseInfo | null)[];
  acquire(holder: string, options?: { take?: boolean; ttlMs?: number; connection?: string }): Promise<Lease>;
  /** Hands the lease over to another connection; undefined if no connection has this kind of lease. */
  readonly transfer?: (lease: string, holder: string, connection: string) => Promise<Lease>;
  /** Makes each save fail from now on, or work again; undefined if a failure of a save is never seen. */
  readonly setDiskFull?: (isFull: boolean) => void;
  /** Opens the lease again, as after a kill of the gateway. `seenFence`: the highest fence in the log. */
  restart(seenFence: number): void;
}

export type TestedRules = Required<Omit<LeaseRules, 'isAlive' | 'conflict' | 'save' | 'changed'>>;

export const codeOf = (act: () => unknown): string => {
  try {
    act();
    return 'done';
  } catch (error) {
    return error instanceof BinnacleError ? error.code : String(error);
  }
};
export const lateCodeOf = (act: Promise<unknown>): Promise<string> =>
  act.then(
    () => 'done',
    (error: { code?: string }) => error.code ?? String(error),
  );

export function testLease(open: () => LeaseUnderTest, rules: TestedRules): void {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
  afterEach(() => void vi.useRealTimers());

  it('admits anybody while nobody holds it, and its holder alone from then on', async () => {
    const { lease, acquire } = open();
    expect(lease.info).toBeNull();
    expect(lease.admit('anybody')).toEqual({ fence: 0, by: 'anybody' });
    const { lease: secret, fence } = await acquire('ann');
    expect(lease.admit('not even asked', secret)).toEqual({ fence, by: 'ann' });
    expect(codeOf(() => lease.admit('bob'))).toBe('lease_held');
    expect(codeOf(() => lease.admit('bob', 'made-up'))).toBe('lease_lost');
    await expect(acquire('bob')).rejects.toMatchObject({ code: 'lease_held', details: { holder: 'ann', fence } });
    // A holder is refused as well.
    expect(await lateCodeOf(acquire('ann'))).toBe('lease_held');
    lease.release(secret);
    expect(lease.info).toBeNull();
    lease.check(lease.admit('bob'));
    expect(codeOf(() => lease.admit('ann', secret))).toBe('lease_lost');
  });

  it('an old handle could free a newer hold: a lease frees nothing but its own', async () => {
    const { lease, acquire } = open();
    const first = await acquire('ann');
    lease.release(first.lease);
    await acquire('ann');
    expect(codeOf(() => lease.release(first.lease))).toBe('lease_lost');
    expect(lease.info?.holder).toBe('ann');
  });

  it('a forced release without a fence let the old holder write beside the new one: here its admitted write is refused', async () => {
    const { lease, acquire } = open();
    const old = await acquire('old');
    const admitted = lease.admit('old', old.lease);
    const taken = await acquire('new', { take: true });
    expect(taken.fence).toBeGreaterThan(old.fence);
    expect(codeOf(() => lease.check(admitted))).toBe('lease_lost');
    expect(codeOf(() => lease.admit('old', old.lease))).toBe('lease_lost');
    lease.check(lease.admit('new', taken.lease));
  });

  it('tells of every change of hands, once, and of an expiry by a timer', async () => {
    const { lease, acquire, changes } = open();
    const { lease: secret } = await acquire('ann');
    await acquire('bob', { take: true });
    expect(codeOf(() => lease.release(secret))).toBe('lease_lost');
    vi.advanceTimersByTime(rules.ttlMs - 1);
    expect(changes.map((info) => info?.holder ?? null)).toEqual(['ann', 'bob']);
    vi.advanceTimersByTime(1);
    expect(changes.slice(2)).toEqual([null]);
    expect(lease.info).toBeNull();
    expect(changes).toHaveLength(3);
  });

  it('was not released after background work (#86025): it is after five minutes without a write, if nothing else is asked', async () => {
    const { lease, acquire } = open();
    const { lease: secret, expiresInMs } = await acquire('maintenance');
    expect([expiresInMs, rules.ttlMs]).toEqual([300_000, 300_000]);
    vi.advanceTimersByTime(rules.ttlMs - 1);
    lease.admit('maintenance', secret);
    vi.advanceTimersByTime(rules.ttlMs - 1);
    expect(await lateCodeOf(acquire('ann'))).toBe('lease_held');
    vi.advanceTimersByTime(1);
    expect(codeOf(() => lease.renew(secret))).toBe('lease_lost');
    expect(await lateCodeOf(acquire('ann'))).toBe('done');
    lease.stop();
  });

  it('is held longer by renewing, and for as long as was asked, up to a maximum', async () => {
    const { lease, acquire } = open();
    const { lease: secret } = await acquire('ann', { ttlMs: 5_000 });
    for (let n = 0; n < 10; n++) {
      vi.advanceTimersByTime(4_000);
      expect(lease.renew(secret)).toEqual({ lease: secret, holder: 'ann', fence: lease.fence, expiresInMs: 5_000 });
    }
    vi.advanceTimersByTime(5_000);
    expect(lease.info).toBeNull();
    expect((await acquire('ann', { ttlMs: Number.MAX_SAFE_INTEGER })).expiresInMs).toBe(rules.maxTtlMs);
  });

  it('survives a restart: its holder may go on, others wait for the grace; what is saved cannot be used to write', async () => {
    const tested = open();
    const { lease: secret, fence } = await tested.acquire('ann', { ttlMs: 1_000 });
    expect(tested.saved).not.toContain(secret);
    const { leaseHash } = JSON.parse(tested.saved);
    expect(codeOf(() => tested.lease.admit('eve', leaseHash))).toBe('lease_lost');
    tested.restart(0);
    expect(tested.lease.info).toEqual({ holder: 'ann', fence, expiresInMs: rules.graceMs });
    expect(await lateCodeOf(tested.acquire('bob'))).toBe('lease_held');
    vi.advanceTimersByTime(rules.graceMs - 1);
    expect(tested.lease.renew(secret)).toMatchObject({ fence, expiresInMs: rules.ttlMs });
    tested.restart(0);
    vi.advanceTimersByTime(rules.graceMs);
    expect((await tested.acquire('bob')).fence).toBeGreaterThan(fence);
  });

  it('the fence never goes back over a restart, also when nobody holds it', async () => {
    const tested = open();
    const { lease: secret, fence } = await tested.acquire('ann');
    tested.lease.release(secret);
    tested.restart(0);
    expect(tested.lease.info).toBeNull();
    expect((await tested.acquire('bob')).fence).toBeGreaterThan(fence);
  });

  it('was not released at the end of a session (#86530): it goes with its end, and nobody gets another', async () => {
    const tested = open();
    const { lease } = tested;
    const { lease: secret } = await tested.acquire('ann');
    const admitted = lease.admit('ann', secret);
    lease.end();
    lease.end();
    expect(lease.info).toBeNull();
    expect(JSON.parse(tested.saved)).toMatchObject({ holder: null, leaseHash: null });
    const acts = [() => lease.check(admitted), () => lease.admit('ann', secret), () => lease.admit('bob')];
    for (const act of [...acts, () => lease.renew(secret)]) expect(codeOf(act)).toBe(rules.endCode);
    expect(await lateCodeOf(tested.acquire('bob', { take: true }))).toBe(rules.endCode);
    expect(tested.changes).toHaveLength(2);
    expect(vi.getTimerCount()).toBe(0);
    tested.restart(0);
    expect(tested.lease.info).toBeNull();
  });

  it('whatever several writers do, only the holder writes, no two write under one fence, and no old fence writes', async () => {
    const count = { appends: 0, refusals: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(2), step), { minLength: 20, maxLength: 60, size: 'max' }), (steps) =>
        checkSteps(open(), steps, rules, count),
      ),
      { numRuns: 150 },
    );
    // It would prove nothing if nobody wrote, or nobody was refused.
    expect(count.appends).toBeGreaterThan(100);
    expect(count.refusals).toBeGreaterThan(100);
  });
}

type Step =
  | { readonly act: 'acquire'; readonly take: boolean; readonly ttlMs: number }
  | { readonly act: 'renew' | 'release' | 'close' | 'admit freely' }
  | { readonly act: 'admit' | 'hand over'; readonly lease: number }
  | { readonly act: 'append'; readonly permit: number }
  | { readonly act: 'wait'; readonly ms: number }
  | { readonly act: 'disk'; readonly isFull: boolean }
  | { readonly act: 'restart' };

const oneOf = fc.constantFrom;
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ act: oneOf('acquire'), take: fc.boolean(), ttlMs: oneOf(1_000, 20_000, 3_600_000) }),
  },
  { weight: 5, arbitrary: fc.record({ act: oneOf('renew', 'release', 'close', 'admit freely', 'admit freely') }) },
  { weight: 8, arbitrary: fc.record({ act: oneOf('admit', 'admit', 'admit', 'hand over'), lease: oneOf(0, 0, 0, 1) }) },
  { weight: 6, arbitrary: fc.record({ act: oneOf('append'), permit: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ act: oneOf('wait'), ms: oneOf(1, 500, 14_999, 15_000, 300_000, 3_000_000) }) },
  { weight: 1, arbitrary: fc.record({ act: oneOf('disk'), isFull: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ act: oneOf('restart') }) },
) as fc.Arbitrary<Step>;

/** The rules of a lease, in their simplest form. */
class Model {
  fence = 0;
  holder:
    | {
        readonly writer: number;
        readonly lease: string;
        ttlMs: number;
        isConnected: boolean;
        expiresAt: number;
        writtenAt: number;
      }
    | undefined;
  isDiskFull = false;
  saved: Pick<Model, 'fence' | 'holder'> = { fence: 0, holder: undefined };
  readonly rules: TestedRules;

  constructor(rules: TestedRules) {
    this.rules = rules;
  }

  set(fence: number, holder: Model['holder']): void {
    Object.assign(this, { fence, holder });
    if (!this.isDiskFull) this.saved = { fence, holder };
  }

  give(writer: number, { lease }: Lease, ttlMs: number, isConnected: boolean): void {
    const now = performance.now();
    this.set(this.fence + 1, { writer, lease, ttlMs, isConnected, expiresAt: now + ttlMs, writtenAt: now });
  }

  free(): void {
    this.set(this.fence + (this.rules.raisesOnRelease ? 1 : 0), undefined);
  }

  extend(isWrite = false): void {
    const now = performance.now();
    if (this.holder === undefined) return;
    if (isWrite) this.holder.writtenAt = now;
    this.holder.expiresAt = Math.min(now + this.holder.ttlMs, this.holder.writtenAt + this.rules.maxIdleMs);
  }

  restart(seenFence: number): void {
    const { graceMs, ttlMs } = this.rules;
    const now = performance.now();
    Object.assign(this, this.saved, { isDiskFull: false });
    if (seenFence > this.fence) this.set(seenFence + 1, undefined);
    if (this.holder === undefined) return;
    this.holder = { ...this.holder, ttlMs, expiresAt: now + graceMs, writtenAt: now, isConnected: false };
  }
}

/** Does the steps with the lease and with its model, and compares them after each. */
async function checkSteps(
  tested: LeaseUnderTest,
  steps: readonly (readonly [number, Step])[],
  rules: TestedRules,
  count: { appends: number; refusals: number },
): Promise<void> {
  const model = new Model(rules);
  const issued: string[] = [];
  const permits: { readonly permit: WritePermit; readonly lease: string | undefined }[] = [];
  const appended: { readonly fence: number; readonly lease: string | undefined }[] = [];
  const newest = (): number => Math.max(0, ...appended.map(({ fence }) => fence));
  for (const [writer, one] of steps) {
    const { lease } = tested;
    const connection = `c${writer}`;
    const { holder } = model;
    const isOwn = holder?.isConnected === true && holder.writer === writer;
    const wanted = issued.at('lease' in one ? -1 - one.lease : -1) ?? 'none';
    const isHolder = wanted === holder?.lease;
    const ifHolder = isHolder ? 'done' : 'lease_lost';
    switch (one.act) {
      case 'acquire': {
        const { take, ttlMs } = one;
        const granted = tested.acquire(`w${writer}`, { take, ttlMs, connection });
        const code = await lateCodeOf(granted);
        expect(code).toBe(holder !== undefined && !take ? 'lease_held' : model.isDiskFull ? 'disk_full' : 'done');
        // The number is used up: nobody knows whether it came to the disk.
        if (code === 'disk_full') model.fence += 1;
        if (code !== 'done') break;
        model.give(writer, await granted, Math.min(ttlMs, rules.maxTtlMs), tested.transfer !== undefined);
        issued.push((await granted).lease);
        break;
      }
      case 'hand over': {
        if (tested.transfer === undefined) break;
        const granted = tested.transfer(wanted, `w${writer}`, connection);
        expect(await lateCodeOf(granted)).toBe(ifHolder);
        if (!isHolder) break;
        model.give(writer, await granted, rules.ttlMs, true);
        issued.push((await granted).lease);
        break;
      }
      case 'renew':
        expect(codeOf(() => lease.renew(wanted))).toBe(ifHolder);
        if (isHolder) model.extend();
        break;
      case 'release':
        expect(codeOf(() => lease.release(wanted))).toBe(ifHolder);
        if (isHolder) model.free();
        break;
      case 'admit':
      case 'admit freely': {
        const isFree = one.act === 'admit freely';
        const mayWrite = isFree ? holder === undefined || isOwn : isHolder;
        const admit = () => lease.admit('x', isFree ? undefined : wanted, connection);
        const code = codeOf(() => permits.push({ permit: admit(), lease: holder?.lease }));
        expect(code).toBe(mayWrite ? 'done' : isFree ? 'lease_held' : 'lease_lost');
        if (mayWrite) model.extend(true);
        break;
      }
      case 'append': {
        const [pending] = permits.splice(one.permit % Math.max(1, permits.length), 1);
        if (pending === undefined) break;
        const { fence } = pending.permit;
        const isCurrent = fence === model.fence;
        expect(codeOf(() => lease.check(pending.permit))).toBe(isCurrent ? 'done' : 'lease_lost');
        count[isCurrent ? 'appends' : 'refusals'] += 1;
        if (!isCurrent) break;
        expect(fence).toBeGreaterThanOrEqual(newest());
        if (holder !== undefined || rules.raisesOnRelease) expect(pending.lease).toBe(holder?.lease);
        appended.push({ fence, lease: pending.lease });
        break;
      }
      case 'close':
        lease.connectionOnClose(connection);
        if (!isOwn) break;
        holder.isConnected = false;
        holder.expiresAt = Math.min(holder.expiresAt, performance.now() + rules.graceMs);
        break;
      case 'wait':
        vi.advanceTimersByTime(one.ms);
        break;
      case 'disk':
        model.isDiskFull = one.isFull && tested.setDiskFull !== undefined;
        tested.setDiskFull?.(one.isFull);
        break;
      case 'restart':
        // Nothing is under way any more; the log has seen what was appended.
        permits.splice(0);
        tested.restart(newest());
        model.restart(newest());
    }
    if (model.holder !== undefined && model.holder.expiresAt <= performance.now()) model.free();
    expect(tested.lease.info?.holder).toBe(model.holder === undefined ? undefined : `w${model.holder.writer}`);
    expect(tested.lease.fence).toBe(model.fence);
  }
  tested.lease.stop();
  for (const { fence } of appended) {
    const leases = new Set(appended.filter((write) => write.fence === fence).map(({ lease }) => lease));
    // Without a new fence at a release, free writes follow under the fence of the last holder.
    if (!rules.raisesOnRelease) leases.delete(undefined);
    expect(leases.size).toBeLessThanOrEqual(1);
  }
}
