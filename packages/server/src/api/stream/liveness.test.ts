import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type LiveConnection, Liveness } from './liveness.ts';

const TIMES = { heartbeatMs: 15_000, stallMs: 30_000 };
let liveness: Liveness;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  liveness = new Liveness(TIMES);
});
afterEach(() => {
  liveness.stop();
  vi.useRealTimers();
});

function viewer(over: Partial<LiveConnection> = {}) {
  const cuts: { code: string; at: number }[] = [];
  const pings: number[] = [];
  const begun = performance.now();
  return {
    cuts,
    pings,
    heardAt: begun as number | undefined,
    fullSince: undefined as number | undefined,
    ping: () => void pings.push(performance.now() - begun),
    cut: (code: string) => void cuts.push({ code, at: performance.now() - begun }),
    ...over,
  };
}

describe('liveness', () => {
  it('pings every heartbeat', () => {
    const one = viewer({ heardAt: undefined });
    liveness.watch(one);
    vi.advanceTimersByTime(60_000);
    expect(one.pings).toEqual([15_000, 30_000, 45_000, 60_000]);
    expect(one.cuts).toEqual([]);
  });

  it('finds a half-open connection within 45 s and one look', () => {
    const silent = viewer();
    const alive = viewer();
    for (const one of [silent, alive]) liveness.watch(one);
    for (let second = 0; second < 60; second++) {
      vi.advanceTimersByTime(1_000);
      if (second % 20 === 0) alive.heardAt = performance.now();
    }
    expect(alive.cuts).toEqual([]);
    expect(silent.cuts[0]?.code).toBe('no_pong');
    expect(silent.cuts[0]?.at).toBeLessThanOrEqual(45_000 + 3_000);
  });

  it('cuts a socket that takes nothing, by at most a fifth too late, and not one that takes a little', () => {
    const stalled = viewer({ heardAt: undefined });
    const slow = viewer({ heardAt: undefined });
    for (const one of [stalled, slow]) liveness.watch(one);
    stalled.fullSince = performance.now();
    for (let second = 0; second < 40; second++) {
      slow.fullSince = performance.now();
      vi.advanceTimersByTime(1_000);
    }
    expect(slow.cuts).toEqual([]);
    expect(stalled.cuts[0]?.code).toBe('too_slow');
    expect(stalled.cuts[0]?.at).toBeGreaterThan(30_000);
    expect(stalled.cuts[0]?.at).toBeLessThanOrEqual(36_000);
  });

  it('takes nobody for gone after a pause of ours, in which nothing was read', () => {
    const [alive, silent] = [viewer(), viewer({ fullSince: performance.now() })];
    for (const one of [alive, silent]) liveness.watch(one);
    const now = performance.now.bind(performance);
    vi.spyOn(performance, 'now').mockImplementation(() => now() + 3_600_000);
    vi.advanceTimersByTime(3_000);
    expect([alive.cuts, silent.cuts]).toEqual([[], []]);
    for (let second = 0; second < 60; second++) {
      alive.heardAt = performance.now();
      vi.advanceTimersByTime(1_000);
    }
    expect(alive.cuts).toEqual([]);
    expect(silent.cuts[0]?.code).toBe('too_slow');
    vi.restoreAllMocks();
  });

  it('lets go of who has left, also in the middle of a look', () => {
    const second = viewer();
    const first = viewer({ cut: () => leave() });
    liveness.watch(first);
    const leave = liveness.watch(second);
    vi.advanceTimersByTime(100_000);
    expect(liveness.count).toBe(1);
    liveness.stop();
  });
});
