import { afterEach, expect, test, vi } from 'vitest';
import type { Log } from '../../base/logger.ts';
import { type Clock, REAL_CLOCK } from '../host/supervision.ts';
import { Jobs } from './jobs.ts';
import type { OfferInForce, OfferOf, Offers } from './offers.ts';

const MINUTE = 60_000;

class FakeClock implements Clock {
  #now = 1000;
  readonly #timers = new Map<object, { at: number; call: () => void }>();

  now = (): number => this.#now;
  after = (ms: number, call: () => void): (() => void) => {
    expect(ms).toBeLessThanOrEqual(2 ** 31 - 1);
    const key = {};
    this.#timers.set(key, { at: this.#now + ms, call });
    return () => this.#timers.delete(key);
  };
  get timers(): number {
    return this.#timers.size;
  }
  /** Each timer when its time has come. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      const [next] = [...this.#timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at);
      if (next === undefined) break;
      this.#timers.delete(next[0]);
      this.#now = Math.max(this.#now, next[1].at);
      next[1].call();
      await settled();
    }
    this.#now = end;
  }
  /** The machine slept: all timers are late. */
  async sleep(ms: number): Promise<void> {
    this.#now += ms;
    await this.pass(0);
  }
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

function make(clock: Clock) {
  const listeners = new Set<() => void>();
  const warned: object[] = [];
  let inForce: OfferInForce<OfferOf<'job'>>[] = [];
  const offers: Offers = {
    // Only jobs are requested here.
    inForce: <Kind>(kind: Kind) => (kind === 'job' ? inForce : []) as never,
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const set = (...jobs: [name: string, everyMs: number, run: (deadlineMs: number) => Promise<unknown>][]): void => {
    inForce = jobs.map(([name, everyMs, run]) => ({
      plugin: 'p',
      offer: { kind: 'job', name, everyMs },
      invoke: (_params, deadlineMs) => run(deadlineMs),
      invokeOther: () => Promise.reject(new Error('none')),
      note: () => undefined,
    }));
    for (const listener of listeners) listener();
  };
  const log = { warn: (facts: object) => warned.push(facts) } as unknown as Log;
  const jobs = new Jobs(offers, log, clock);
  return { jobs, set, warned, listeners };
}

let stop: () => void = () => undefined;
afterEach(() => stop());

test('a job is run one interval after it came into force, and then each time, with a deadline', async () => {
  const clock = new FakeClock();
  const { jobs, set } = make(clock);
  stop = () => jobs.stop();
  const run = vi.fn(async (_deadlineMs: number) => undefined);
  set(['a', MINUTE, run]);
  await clock.pass(MINUTE - 1);
  expect(run).not.toHaveBeenCalled();
  await clock.pass(1);
  expect(run).toHaveBeenCalledTimes(1);
  expect(run).toHaveBeenCalledWith(60_000);
  await clock.pass(10 * MINUTE);
  expect(run).toHaveBeenCalledTimes(11);
});

test('never two run at once, and what was missed is not made up for', async () => {
  const clock = new FakeClock();
  const { jobs, set } = make(clock);
  stop = () => jobs.stop();
  let finish: () => void = () => undefined;
  const run = vi.fn(
    () =>
      new Promise<void>((resolve) => {
        finish = resolve;
      }),
  );
  set(['a', MINUTE, run]);
  await clock.pass(4 * MINUTE);
  expect(run).toHaveBeenCalledTimes(1);
  finish();
  await settled();
  await clock.pass(MINUTE - 1);
  expect(run).toHaveBeenCalledTimes(1);
  await clock.pass(1);
  expect(run).toHaveBeenCalledTimes(2);
  finish();
  await settled();
  await clock.sleep(7.5 * MINUTE);
  expect(run).toHaveBeenCalledTimes(3);
  finish();
  await settled();
  // At its old times.
  await clock.pass(0.5 * MINUTE);
  expect(run).toHaveBeenCalledTimes(4);
});

test('one that fails is told of, and runs the next time', async () => {
  const clock = new FakeClock();
  const { jobs, set, warned } = make(clock);
  stop = () => jobs.stop();
  const run = vi.fn(() => Promise.reject(new Error('oh no')));
  set(['a', MINUTE, run]);
  await clock.pass(2 * MINUTE);
  expect(run).toHaveBeenCalledTimes(2);
  expect(warned).toMatchObject([
    { plugin: 'p', job: 'a', why: 'oh no' },
    { plugin: 'p', job: 'a' },
  ]);
});

test('one that is revoked has no timer any more, and begins anew when it is granted again', async () => {
  const clock = new FakeClock();
  const { jobs, set } = make(clock);
  stop = () => jobs.stop();
  const run = vi.fn(async () => undefined);
  set(['a', MINUTE, run]);
  await clock.pass(MINUTE - 1);
  set();
  expect(clock.timers).toBe(0);
  set(['a', MINUTE, run]);
  await clock.pass(MINUTE - 1);
  expect(run).not.toHaveBeenCalled();
  await clock.pass(1);
  expect(run).toHaveBeenCalledTimes(1);
});

test('a change of something else, as a restart of the plugin is, neither brings it forward nor puts it off', async () => {
  const clock = new FakeClock();
  const { jobs, set } = make(clock);
  stop = () => jobs.stop();
  const run = vi.fn(async () => undefined);
  for (let n = 0; n < 5; n += 1) {
    set(['a', MINUTE, run]);
    await clock.pass(MINUTE / 4);
  }
  expect(run).toHaveBeenCalledTimes(1);
  // Another interval is another job.
  set(['a', 2 * MINUTE, run]);
  await clock.pass(2 * MINUTE - 1);
  expect(run).toHaveBeenCalledTimes(1);
  await clock.pass(1);
  expect(run).toHaveBeenCalledTimes(2);
});

test('an interval that no timer holds is kept all the same', async () => {
  const clock = new FakeClock();
  const { jobs, set } = make(clock);
  stop = () => jobs.stop();
  const run = vi.fn(async () => undefined);
  const month = 30 * 24 * 60 * MINUTE;
  set(['a', month, run]);
  await clock.pass(month - 1);
  expect(run).not.toHaveBeenCalled();
  await clock.pass(1);
  expect(run).toHaveBeenCalledTimes(1);
});

test('nothing is left when it is stopped', async () => {
  const clock = new FakeClock();
  const { jobs, set, listeners } = make(clock);
  const run = vi.fn(async () => undefined);
  set(['a', MINUTE, run], ['b', MINUTE, run]);
  expect(clock.timers).toBe(2);
  jobs.stop();
  expect([clock.timers, listeners.size]).toEqual([0, 0]);
  await clock.pass(MINUTE);
  expect(run).not.toHaveBeenCalled();
});

test('on the real clock it is run, too', async () => {
  const { jobs, set } = make(REAL_CLOCK);
  stop = () => jobs.stop();
  const run = vi.fn(async () => undefined);
  set(['a', 20, run]);
  await expect.poll(() => run.mock.calls.length).toBeGreaterThan(2);
});
