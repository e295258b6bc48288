// Queue of outgoing notifications: limits on parallel requests, waiting deliveries and retries with back-off.

import { Timer } from '../base/timer.ts';
import type { DeliveryVerdict } from './post.ts';

export interface Delivery {
  /** Key of the delivery. A later delivery of the same name replaces it. */
  readonly name: string;
  /** Receiving host. A slow answer delays only deliveries to the same host. */
  readonly host: string;
  /** The user who gave the address; null: the operator. */
  readonly user: string | null;
  /** Called before each try. Returns undefined if there is nothing to send any more. */
  send(signal: AbortSignal): Promise<DeliveryVerdict> | undefined;
  /** Called once with the final result. `dropped`: removed to make room. */
  over?(verdict: DeliveryVerdict | 'dropped'): void;
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
  // Each takes a few hundred bytes.
  maxWaiting: 1000,
  maxSending: 32,
  // Nearly all browsers of the world share three hosts.
  maxSendingToHost: 16,
  // Prevents starvation: addresses that answer late or never delay only their own user.
  maxSendingOfUser: 4,
  maxTries: 6,
  firstRetryMs: 2000,
  lastRetryMs: 10 * 60_000,
};

interface WaitingDelivery {
  readonly delivery: Delivery;
  tries: number;
  /** Monotonic time in ms. */
  dueAt: number;
}

export class Deliveries {
  readonly #limits: DeliveryLimits;
  /** Waiting deliveries by name, oldest first. */
  readonly #waiting = new Map<string, WaitingDelivery>();
  /** Deliveries on their way, by name. */
  readonly #sending = new Map<string, Pick<Delivery, 'host' | 'user'>>();
  readonly #abort = new AbortController();
  readonly #roomWaiters: (() => void)[] = [];
  readonly #now: () => number;
  readonly #timer = new Timer();

  /** `now`: monotonic, ms. */
  constructor(limits: Partial<DeliveryLimits> = {}, now = () => performance.now()) {
    this.#now = now;
    this.#limits = { ...DELIVERY_LIMITS, ...limits };
  }

  get count(): number {
    return this.#waiting.size + this.#sending.size;
  }

  /**
   * Resolves when one more delivery may wait. Drops deliveries that have failed before, to make room for untried ones.
   */
  async room(): Promise<void> {
    while (this.#waiting.size >= this.#limits.maxWaiting && !this.#abort.signal.aborted) {
      const tried = [...this.#waiting.values()].find(({ tries }) => tries > 0);
      if (tried === undefined) await new Promise<void>((resolve) => this.#roomWaiters.push(resolve));
      else this.#drop(tried);
    }
  }

  /** Adds a delivery. Wait for `room` first; without room, the oldest delivery is dropped. */
  add(delivery: Delivery): void {
    if (this.#abort.signal.aborted) return;
    this.#waiting.delete(delivery.name);
    const oldest = this.#waiting.values().next().value;
    if (this.#waiting.size >= this.#limits.maxWaiting && oldest !== undefined) this.#drop(oldest);
    this.#waiting.set(delivery.name, { delivery, tries: 0, dueAt: Number.NEGATIVE_INFINITY });
    this.#dispatch();
  }

  stop(): void {
    this.#abort.abort();
    this.#timer.clear();
    this.#waiting.clear();
    for (const go of this.#roomWaiters.splice(0)) go();
  }

  #drop({ delivery }: WaitingDelivery): void {
    this.#waiting.delete(delivery.name);
    delivery.over?.('dropped');
  }

  #dispatch(): void {
    this.#timer.clear();
    if (this.#abort.signal.aborted) return;
    const { maxSending, maxSendingToHost, maxSendingOfUser } = this.#limits;
    let next = Number.POSITIVE_INFINITY;
    for (const [name, pending] of this.#waiting) {
      if (this.#sending.size >= maxSending) break;
      const { host, user } = pending.delivery;
      const sending = [...this.#sending.values()];
      const toHost = sending.filter((one) => one.host === host).length;
      const ofUser = user === null ? 0 : sending.filter((one) => one.user === user).length;
      if (this.#sending.has(name) || toHost >= maxSendingToHost || ofUser >= maxSendingOfUser) continue;
      if (pending.dueAt > this.#now()) {
        next = Math.min(next, pending.dueAt);
        continue;
      }
      this.#waiting.delete(name);
      this.#sending.set(name, { host, user });
      void this.#send(pending).finally(() => {
        this.#sending.delete(name);
        this.#dispatch();
      });
    }
    if (this.#waiting.size < this.#limits.maxWaiting) this.#roomWaiters.shift()?.();
    if (Number.isFinite(next)) this.#timer.set(Math.max(1, next - this.#now()), () => this.#dispatch());
  }

  async #send(pending: WaitingDelivery): Promise<void> {
    const { delivery } = pending;
    const { maxTries, firstRetryMs, lastRetryMs } = this.#limits;
    let verdict: DeliveryVerdict;
    try {
      const sent = delivery.send(this.#abort.signal);
      if (sent === undefined) return;
      verdict = await sent;
    } catch {
      verdict = { kind: 'later', afterMs: undefined, status: undefined };
    }
    if (this.#abort.signal.aborted) return;
    pending.tries += 1;
    // A newer delivery of the same name came during the try and replaces this one.
    const isOutdone = this.#waiting.has(delivery.name);
    if (verdict.kind === 'later' && pending.tries < maxTries && !isOutdone) {
      // Jitter: deliveries that failed together are not retried together.
      const pauseMs = (0.5 + Math.random() / 2) * Math.min(lastRetryMs, firstRetryMs * 2 ** (pending.tries - 1));
      pending.dueAt = this.#now() + Math.min(lastRetryMs, Math.max(pauseMs, verdict.afterMs ?? 0));
      this.#waiting.set(delivery.name, pending);
      return;
    }
    delivery.over?.(verdict);
  }
}
