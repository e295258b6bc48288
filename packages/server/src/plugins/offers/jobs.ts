// The jobs of plugins: each runs at its interval, and runs of the same name never overlap.

import type { Log } from '../../base/logger.ts';
import { MAX_TIMER_MS } from '../../base/timer.ts';
import type { Clock } from '../host/supervision.ts';
import { briefly, LogThrottle } from './log-throttle.ts';
import type { OfferInForce, OfferOf, Offers } from './offers.ts';

const RUN_MS = 60_000;

interface ScheduledJob {
  readonly everyMs: number;
  /** Due time on the clock. */
  dueAt: number;
  isRunning: boolean;
  cancel: () => void;
}

export class Jobs {
  readonly #offers: Offers;
  readonly #log: Log;
  readonly #throttle: LogThrottle;
  readonly #clock: Clock;
  readonly #timed = new Map<string, ScheduledJob>();
  readonly #unlisten: () => void;

  constructor(offers: Offers, log: Log, clock: Clock) {
    this.#offers = offers;
    this.#log = log;
    this.#clock = clock;
    this.#throttle = new LogThrottle(() => clock.now());
    this.#unlisten = offers.onChange(() => this.#take());
    this.#take();
  }

  stop(): void {
    this.#unlisten();
    for (const one of this.#timed.values()) one.cancel();
    this.#timed.clear();
  }

  /** Takes the jobs in force. These include jobs of plugins that are down, so that a restart does not advance a run. */
  #take(): void {
    const inForce = new Map(this.#offers.inForce('job').map((job) => [keyOf(job), job]));
    for (const [key, one] of this.#timed) {
      if (inForce.get(key)?.offer.everyMs === one.everyMs) continue;
      one.cancel();
      this.#timed.delete(key);
    }
    for (const [key, { offer }] of inForce) {
      if (this.#timed.has(key)) continue;
      const { everyMs } = offer;
      const one: ScheduledJob = {
        everyMs,
        dueAt: this.#clock.now() + everyMs,
        isRunning: false,
        cancel: () => undefined,
      };
      this.#timed.set(key, one);
      this.#arm(key, one);
    }
  }

  #arm(key: string, one: ScheduledJob): void {
    const wait = Math.max(0, one.dueAt - this.#clock.now());
    one.cancel = this.#clock.after(Math.min(wait, MAX_TIMER_MS), () => {
      if (this.#clock.now() < one.dueAt) {
        this.#arm(key, one);
        return;
      }
      // Missed runs are not repeated.
      const late = Math.floor((this.#clock.now() - one.dueAt) / one.everyMs);
      one.dueAt += (late + 1) * one.everyMs;
      this.#arm(key, one);
      void this.#run(key, one);
    });
  }

  async #run(key: string, one: ScheduledJob): Promise<void> {
    // Checked again: the listener's notification can arrive after the timer.
    const job = this.#offers.inForce('job').find((each) => keyOf(each) === key);
    if (job === undefined || one.isRunning) return;
    one.isRunning = true;
    try {
      await job.invoke({}, RUN_MS);
    } catch (error) {
      const unsaid = this.#throttle.admit(job.plugin);
      if (unsaid === undefined) return;
      const { plugin, offer } = job;
      this.#log.warn({ why: briefly(error), plugin, job: offer.name, unsaid }, 'a job of a plugin failed');
    } finally {
      one.isRunning = false;
    }
  }
}

/** Returns the key of a job. Neither part contains a space. */
const keyOf = ({ plugin, offer }: OfferInForce<OfferOf<'job'>>): string => `${plugin} ${offer.name}`;
