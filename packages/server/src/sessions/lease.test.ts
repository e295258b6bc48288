import type { LeaseInfo } from '@binnacle/protocol';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Helm, type HelmRecord } from './lease.ts';

const TIMES = { autoReleaseAfterMs: 300_000, graceMs: 15_000 };
const FREE: HelmRecord = { holder: null, leaseHash: null, fence: 0 };

class Recorder {
  readonly raised: number[] = [];
  readonly told: (LeaseInfo | null)[] = [];
  saved: HelmRecord = FREE;
  /** What the next raise does instead of succeeding. */
  refuse: Error | undefined;

  readonly raiseFence = async (fence: number): Promise<void> => {
    const { refuse } = this;
    this.refuse = undefined;
    this.raised.push(fence);
    if (refuse !== undefined) throw refuse;
  };
  readonly changed = (lease: LeaseInfo | null): void => void this.told.push(lease);
  readonly save = (record: HelmRecord): void => {
    this.saved = record;
  };
}

function openHelm(record: HelmRecord = FREE) {
  const events = new Recorder();
  events.saved = record;
  return { helm: new Helm(record, { times: TIMES, events }), events };
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

describe('the helm', () => {
  it('is free at first, and then anybody may write', () => {
    const { helm } = openHelm();
    expect(helm.info).toBeNull();
    expect(helm.admit('ada')).toEqual({ fence: 0, by: 'ada' });
  });

  it('has one holder, who alone may write', async () => {
    const { helm } = openHelm();
    const { lease, fence } = await helm.acquire('ada');
    expect(helm.admit('whoever', lease)).toEqual({ fence, by: 'ada' });
    expect(codeOf(() => helm.admit('bob'))).toBe('lease_held');
    expect(codeOf(() => helm.admit('bob', 'a wrong one'))).toBe('lease_lost');
    await expect(helm.acquire('bob')).rejects.toMatchObject({ code: 'lease_held', details: { holder: 'ada' } });
  });

  it('goes to exactly one of twenty who ask at once', async () => {
    const { helm } = openHelm();
    const asked = Array.from({ length: 20 }, (_, n) => lateCodeOf(helm.acquire(`writer ${n}`)));
    const answers = await Promise.all(asked);
    expect(answers.filter((answer) => answer === 'granted')).toHaveLength(1);
    expect(answers.filter((answer) => answer === 'lease_held')).toHaveLength(19);
  });

  it('goes to the last of twenty who take it at once, and each gets a higher fence', async () => {
    const { helm, events } = openHelm();
    const leases = await Promise.all(Array.from({ length: 20 }, (_, n) => helm.acquire(`taker ${n}`, { take: true })));
    expect(leases.map(({ fence }) => fence)).toEqual(Array.from({ length: 20 }, (_, n) => n + 1));
    expect(events.raised).toEqual(leases.map(({ fence }) => fence));
    const admitted = leases.filter(({ lease }) => codeOf(() => helm.admit('x', lease)) === 'admitted');
    expect(admitted.map(({ holder }) => holder)).toEqual(['taker 19']);
  });

  it('releases itself after autoReleaseAfterMs without a write, and tells', async () => {
    const { helm, events } = openHelm();
    const { lease } = await helm.acquire('ada');
    vi.advanceTimersByTime(299_999);
    helm.admit('ada', lease);
    vi.advanceTimersByTime(299_999);
    expect(events.told).toHaveLength(1);
    vi.advanceTimersByTime(2);
    expect(events.told.at(-1)).toBeNull();
    expect(events.saved).toEqual({ holder: null, leaseHash: null, fence: 1 });
    expect(codeOf(() => helm.admit('ada', lease))).toBe('lease_lost');
    expect(codeOf(() => helm.renew(lease))).toBe('lease_lost');
    expect(codeOf(() => helm.admit('bob'))).toBe('admitted');
  });

  it('is held longer by renewing, and for as long as was asked, a day at most', async () => {
    const { helm } = openHelm();
    const { lease } = await helm.acquire('ada', { ttlMs: 5_000 });
    for (let n = 0; n < 10; n++) {
      vi.advanceTimersByTime(4_000);
      expect(helm.renew(lease).expiresInMs).toBe(5_000);
    }
    vi.advanceTimersByTime(5_000);
    expect(helm.info).toBeNull();
    expect((await helm.acquire('ada', { ttlMs: Number.MAX_SAFE_INTEGER })).expiresInMs).toBe(24 * 3600_000);
  });

  it('is let go of a grace after the connection of its holder broke', async () => {
    const { helm } = openHelm();
    const { lease } = await helm.acquire('ada', { connection: 'one' });
    expect(helm.admit('ada', undefined, 'one').by).toBe('ada');
    helm.connectionOnClose('another');
    helm.connectionOnClose('one');
    expect(codeOf(() => helm.admit('ada', undefined, 'one'))).toBe('lease_held');
    vi.advanceTimersByTime(14_999);
    expect(await lateCodeOf(helm.acquire('bob'))).toBe('lease_held');
    vi.advanceTimersByTime(1);
    expect(await lateCodeOf(helm.acquire('bob'))).toBe('granted');
    expect(codeOf(() => helm.admit('ada', lease))).toBe('lease_lost');
  });

  it('stays with a holder who comes back within the grace, on another connection', async () => {
    const { helm } = openHelm();
    const { lease } = await helm.acquire('ada', { connection: 'one' });
    helm.connectionOnClose('one');
    vi.advanceTimersByTime(10_000);
    helm.renew(lease, 'two');
    // The end of the first connection is noticed late: it is not the holder's any more.
    helm.connectionOnClose('one');
    vi.advanceTimersByTime(100_000);
    expect(helm.isHeldBy('two')).toBe(true);
    expect(helm.isHeldBy('one')).toBe(false);
  });

  it('is handed over by its holder alone, who is out from then on', async () => {
    const { helm, events } = openHelm();
    const { lease } = await helm.acquire('ada', { connection: 'one' });
    expect(await lateCodeOf(helm.handOver('a wrong one', 'eve'))).toBe('lease_lost');
    const given = await helm.handOver(lease, 'bob', { connection: 'two' });
    expect(given).toMatchObject({ holder: 'bob', fence: 2, expiresInMs: TIMES.autoReleaseAfterMs });
    expect(events.raised).toEqual([1, 2]);
    expect(codeOf(() => helm.admit('ada', lease))).toBe('lease_lost');
    expect(codeOf(() => helm.admit('ada', undefined, 'one'))).toBe('lease_held');
    expect(helm.admit('bob', given.lease)).toEqual({ fence: 2, by: 'bob' });
    expect(helm.connection).toBe('two');
    expect(await lateCodeOf(helm.handOver(lease, 'eve'))).toBe('lease_lost');
  });

  it('is handed to one of two hands, and to none where it was taken first', async () => {
    const { helm } = openHelm();
    const { lease } = await helm.acquire('ada');
    const answers = [helm.handOver(lease, 'bob'), helm.handOver(lease, 'eve')].map(lateCodeOf);
    expect(await Promise.all(answers)).toEqual(['granted', 'lease_lost']);
    const { lease: next } = await helm.acquire('cyd', { take: true });
    const taken = helm.acquire('dan', { take: true });
    expect(await lateCodeOf(helm.handOver(next, 'bob'))).toBe('lease_lost');
    expect(helm.admit('dan', (await taken).lease).by).toBe('dan');
  });

  it('survives a restart: its holder may go on, others wait for the grace', async () => {
    const before = openHelm();
    const { lease, fence } = await before.helm.acquire('ada');
    const { helm } = openHelm(before.events.saved);
    expect(helm.info).toMatchObject({ holder: 'ada', fence });
    expect(await lateCodeOf(helm.acquire('bob'))).toBe('lease_held');
    vi.advanceTimersByTime(14_999);
    expect(helm.renew(lease)).toMatchObject({ fence, expiresInMs: TIMES.autoReleaseAfterMs });
    const other = openHelm(before.events.saved).helm;
    vi.advanceTimersByTime(15_000);
    expect((await other.acquire('bob')).fence).toBe(fence + 1);
  });

  it('is kept as a digest: what is saved cannot be used to write', async () => {
    const { helm, events } = openHelm();
    const { lease } = await helm.acquire('ada');
    expect(JSON.stringify(events.saved)).not.toContain(lease);
    expect(codeOf(() => helm.admit('eve', events.saved.leaseHash ?? ''))).toBe('lease_lost');
  });

  it("is nobody's once the program has ended, also after a restart", async () => {
    const { helm, events } = openHelm();
    const { lease } = await helm.acquire('ada');
    helm.end();
    expect(helm.info).toBeNull();
    expect(codeOf(() => helm.renew(lease))).toBe('session_exited');
    expect(openHelm(events.saved).helm.info).toBeNull();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('goes to none of those who wait for it when the program ends', async () => {
    const { helm, events } = openHelm();
    const { lease } = await helm.acquire('ada');
    const asked = [helm.handOver(lease, 'bob'), helm.acquire('cyd', { take: true }), helm.acquire('dan')];
    const answers = asked.map(lateCodeOf);
    helm.end();
    expect(await Promise.all(answers)).toEqual(['lease_lost', 'session_exited', 'session_exited']);
    expect([helm.info, events.saved.holder, vi.getTimerCount()]).toEqual([null, null, 0]);
  });

  it('never uses a fence twice that a runner may have seen, though the runner did not answer', async () => {
    const { helm, events } = openHelm();
    const { lease } = await helm.acquire('ada');
    events.refuse = new Error('no answer');
    await expect(helm.acquire('bob', { take: true })).rejects.toThrow('no answer');
    // Nobody knows whether the runner refuses the old fence now: ada would write into the void.
    expect(codeOf(() => helm.admit('ada', lease))).toBe('lease_lost');
    expect(helm.admit('eve').fence).toBe(2);
    expect((await helm.acquire('bob')).fence).toBe(3);
  });

  it('believes a runner that has seen a higher fence: its holder was on the way out when the gateway was killed', async () => {
    const before = openHelm();
    const { lease } = await before.helm.acquire('ada');
    const { helm } = openHelm(before.events.saved);
    helm.catchUp(1);
    expect(helm.info?.holder).toBe('ada');
    helm.catchUp(2);
    expect(codeOf(() => helm.admit('ada', lease))).toBe('lease_lost');
    expect(helm.admit('bob').fence).toBe(2);
    expect((await helm.acquire('bob')).fence).toBe(3);
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

/** What the helm must be like, said as plainly as possible. */
interface Model {
  fence: number;
  held: { who: number; lease: string; expiresAt: number; ttlMs: number; isConnected: boolean } | undefined;
}

describe('one-helm: any sequence of steps', () => {
  it('leaves at most one writer, admits only the holder, and raises the fence at each change of hands', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        let { helm, events } = openHelm();
        const model: Model = { fence: 0, held: undefined };
        const leases: string[] = [];
        const heldNow = () => {
          if (model.held !== undefined && model.held.expiresAt <= performance.now()) model.held = undefined;
          return model.held;
        };
        for (const one of steps) {
          const held = heldNow();
          const now = performance.now();
          switch (one.act) {
            case 'acquire':
            case 'take': {
              const take = one.act === 'take';
              const options = { take, ttlMs: one.ttlMs, connection: `c${one.who}` };
              const granted = await helm.acquire(`w${one.who}`, options).catch(() => undefined);
              expect(granted !== undefined).toBe(held === undefined || take);
              if (granted === undefined) break;
              expect(granted.fence).toBe(model.fence + 1);
              expect(events.raised.at(-1)).toBe(granted.fence);
              model.fence = granted.fence;
              model.held = {
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
              const given = leases.at(-1 - one.lease);
              if (given === undefined) break;
              const granted = await helm
                .handOver(given, `w${one.who}`, { connection: `c${one.who}` })
                .catch(() => undefined);
              expect(granted !== undefined).toBe(given === held?.lease);
              if (granted === undefined) break;
              expect(granted.fence).toBe(model.fence + 1);
              expect(events.raised.at(-1)).toBe(granted.fence);
              model.fence = granted.fence;
              const ttlMs = TIMES.autoReleaseAfterMs;
              model.held = {
                ...{ who: one.who, lease: granted.lease, expiresAt: now + ttlMs, ttlMs },
                isConnected: true,
              };
              leases.push(granted.lease);
              break;
            }
            case 'renew':
            case 'write':
            case 'release': {
              const given = leases.at(-1 - one.lease);
              if (given === undefined) break;
              const act = () =>
                one.act === 'renew'
                  ? helm.renew(given)
                  : one.act === 'write'
                    ? helm.admit('x', given)
                    : helm.release(given);
              expect(codeOf(act)).toBe(given === held?.lease ? 'admitted' : 'lease_lost');
              if (given !== held?.lease) break;
              if (one.act === 'release') model.held = undefined;
              else held.expiresAt = now + held.ttlMs;
              break;
            }
            case 'free write': {
              const isOwn = held?.isConnected === true && held.who === one.who;
              const code = codeOf(() => expect(helm.admit('y', undefined, `c${one.who}`).fence).toBe(model.fence));
              expect(code).toBe(held === undefined || isOwn ? 'admitted' : 'lease_held');
              if (isOwn) held.expiresAt = now + held.ttlMs;
              break;
            }
            case 'close':
              helm.connectionOnClose(`c${one.who}`);
              if (held?.isConnected === true && held.who === one.who) {
                held.isConnected = false;
                held.expiresAt = Math.min(held.expiresAt, now + TIMES.graceMs);
              }
              break;
            case 'wait':
              vi.advanceTimersByTime(one.ms);
              break;
            case 'restart':
              helm.stop();
              ({ helm, events } = openHelm(events.saved));
              if (held !== undefined)
                model.held = {
                  ...held,
                  expiresAt: now + TIMES.graceMs,
                  ttlMs: TIMES.autoReleaseAfterMs,
                  isConnected: false,
                };
              break;
          }
          const expected = heldNow();
          expect(helm.info?.holder).toBe(expected === undefined ? undefined : `w${expected.who}`);
          expect(helm.fence).toBe(model.fence);
          expect(events.saved.fence).toBe(model.fence);
          const admitted = leases.filter((each) => each === expected?.lease);
          expect(admitted.length).toBeLessThanOrEqual(1);
        }
        helm.stop();
      }),
      { numRuns: 300 },
    );
  });
});
