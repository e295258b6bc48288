// What is on its way out: so many at once, so many that wait, so many tries each. Knows no push service.

import type { Verdict } from './post.ts';

export interface Delivery {
  /** A later one of the same name takes its place. */
  readonly name: string;
  /** Whom a slow answer keeps waiting. */
  readonly host: string;
  /** Who gave its address; null: the operator. */
  readonly user: string | null;
  /** Asked before each try: undefined when there is nothing to say any more. */
  send(signal: AbortSignal): Promise<Verdict> | undefined;
  /** What became of it, in the end: `dropped`, it had to make room. */
  over?(verdict: Verdict | 'dropped'): void;
}

export interface DeliveryLimits {
  readonly maxWaiting: number;
  readonly maxSending: number;
  readonly maxSendingToHost: number;
  readonly maxSendingOfUser: number;
  readonly maxTries: number;
  readonly firstRetryMs: number;
  readonly lastRetryMs: number;
}

export const DELIVERY_LIMITS: DeliveryLimits = {
  // A few hundred bytes each.
  maxWaiting: 1000,
  maxSending: 32,
  // Nearly all browsers of the world share three hosts.
  maxSendingToHost: 16,
  // Addresses that answer late or never keep their own user waiting, and nobody else.
  maxSendingOfUser: 4,
  maxTries: 6,
  firstRetryMs: 2000,
  lastRetryMs: 10 * 60_000,
};

interface Held {
  readonly delivery: Delivery;
  tries: number;
  /** Monotonic. */
  dueAt: number;
}

export class Deliveries {
  readonly #limits: DeliveryLimits;
  /** By name, those that wait; the oldest first. */
  readonly #waiting = new Map<string, Held>();
  /** By name. */
  readonly #sending = new Map<string, Pick<Delivery, 'host' | 'user'>>();
  readonly #abort = new AbortController();
  readonly #roomers: (() => void)[] = [];
  readonly #now: () => number;
  #timer: NodeJS.Timeout | undefined;

  /** `now`: monotonic, ms. */
  constructor(limits: Partial<DeliveryLimits> = {}, now = () => performance.now()) {
    this.#now = now;
    this.#limits = { ...DELIVERY_LIMITS, ...limits };
  }

  get count(): number {
    return this.#waiting.size + this.#sending.size;
  }

  /** Settles when one more may wait. What has failed already makes room for what has not been tried. */
  async room(): Promise<void> {
    while (this.#waiting.size >= this.#limits.maxWaiting && !this.#abort.signal.aborted) {
      const tried = [...this.#waiting.values()].find(({ tries }) => tries > 0);
      if (tried === undefined) await new Promise<void>((resolve) => this.#roomers.push(resolve));
      else this.#drop(tried);
    }
  }

  /** Wait for `room` before. Without: the oldest one goes. */
  add(delivery: Delivery): void {
    if (this.#abort.signal.aborted) return;
    this.#waiting.delete(delivery.name);
    const oldest = this.#waiting.values().next().value;
    if (this.#waiting.size >= this.#limits.maxWaiting && oldest !== undefined) this.#drop(oldest);
    this.#waiting.set(delivery.name, { delivery, tries: 0, dueAt: Number.NEGATIVE_INFINITY });
    this.#look();
  }

  stop(): void {
    this.#abort.abort();
    clearTimeout(this.#timer);
    this.#waiting.clear();
    for (const go of this.#roomers.splice(0)) go();
  }

  #drop({ delivery }: Held): void {
    this.#waiting.delete(delivery.name);
    delivery.over?.('dropped');
  }

  #look(): void {
    clearTimeout(this.#timer);
    if (this.#abort.signal.aborted) return;
    const { maxSending, maxSendingToHost, maxSendingOfUser } = this.#limits;
    let next = Number.POSITIVE_INFINITY;
    for (const [name, held] of this.#waiting) {
      if (this.#sending.size >= maxSending) break;
      const { host, user } = held.delivery;
      const sending = [...this.#sending.values()];
      const toHost = sending.filter((one) => one.host === host).length;
      const ofUser = user === null ? 0 : sending.filter((one) => one.user === user).length;
      if (this.#sending.has(name) || toHost >= maxSendingToHost || ofUser >= maxSendingOfUser) continue;
      if (held.dueAt > this.#now()) {
        next = Math.min(next, held.dueAt);
        continue;
      }
      this.#waiting.delete(name);
      this.#sending.set(name, { host, user });
      void this.#send(held).finally(() => {
        this.#sending.delete(name);
        this.#look();
      });
    }
    if (this.#waiting.size < this.#limits.maxWaiting) this.#roomers.shift()?.();
    if (!Number.isFinite(next)) return;
    this.#timer = setTimeout(() => this.#look(), Math.max(1, next - this.#now()));
    this.#timer.unref();
  }

  async #send(held: Held): Promise<void> {
    const { delivery } = held;
    const { maxTries, firstRetryMs, lastRetryMs } = this.#limits;
    let verdict: Verdict;
    try {
      const sent = delivery.send(this.#abort.signal);
      if (sent === undefined) return;
      verdict = await sent;
    } catch {
      verdict = { kind: 'later', afterMs: undefined, status: undefined };
    }
    if (this.#abort.signal.aborted) return;
    held.tries += 1;
    // Another of its name has come meanwhile: that one says more.
    const isOutdone = this.#waiting.has(delivery.name);
    if (verdict.kind === 'later' && held.tries < maxTries && !isOutdone) {
      // Many that failed together do not come back together.
      const pauseMs = (0.5 + Math.random() / 2) * Math.min(lastRetryMs, firstRetryMs * 2 ** (held.tries - 1));
      held.dueAt = this.#now() + Math.min(lastRetryMs, Math.max(pauseMs, verdict.afterMs ?? 0));
      this.#waiting.set(delivery.name, held);
      return;
    }
    delivery.over?.(verdict);
  }
}
