import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Liveness } from './liveness.ts';

const HEARTBEAT_MS = 15_000;

describe('liveness, after a wake-up', () => {
  let pings: number[];
  let deaths: number;
  let liveness: Liveness;
  beforeEach(() => {
    vi.useFakeTimers();
    pings = [];
    deaths = 0;
    liveness = new Liveness(() => Date.now(), HEARTBEAT_MS, {
      ping: (time) => pings.push(time),
      dead: () => {
        deaths += 1;
      },
      measured: () => undefined,
    });
    vi.advanceTimersByTime(100);
    liveness.check();
  });
  afterEach(() => {
    liveness.stop();
    vi.useRealTimers();
  });

  it('frames that had come before the sleep and are handed out now prove nothing', () => {
    vi.advanceTimersByTime(50);
    liveness.heard();
    vi.advanceTimersByTime(5_000);
    expect(deaths).toBe(1);
  });

  it('the answer to the ping proves it', () => {
    vi.advanceTimersByTime(50);
    liveness.heard();
    liveness.pong(pings.at(-1) ?? 0, Date.now());
    vi.advanceTimersByTime(10_000);
    expect(deaths).toBe(0);
  });

  it('so does output that goes on coming, with the answer stuck behind it on a slow link', () => {
    vi.advanceTimersByTime(2_000);
    liveness.heard();
    vi.advanceTimersByTime(10_000);
    expect(deaths).toBe(0);
  });

  it('the answer to an earlier ping does not', () => {
    liveness.pong(pings[0] ?? 0, Date.now());
    vi.advanceTimersByTime(5_000);
    expect(deaths).toBe(1);
  });
});
