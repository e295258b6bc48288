// A rate limit for the gateway's time that a plugin uses: units per second, for each plugin separately.

import { BinnacleError } from '@binnacle/protocol';
import { RateLimit } from '../../base/rate-limit.ts';
import type { Clock } from '../host/supervision.ts';

/** Maximum wait. A call that would wait longer is refused. */
const MAX_WAIT_MS = 2000;

export class PluginRateLimit {
  readonly #clock: Clock;
  readonly #perSecond: number;
  readonly #of = new Map<string, RateLimit>();

  constructor(clock: Clock, perSecond: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
  }

  /** Settles when the units are available. Rejects with `plugin_busy`, and when `signal` is aborted. */
  async wait(plugin: string, units: number, signal: AbortSignal): Promise<void> {
    const limit = this.#of.get(plugin) ?? new RateLimit(this.#perSecond, () => this.#clock.now());
    this.#of.set(plugin, limit);
    const waitMs = limit.take(units);
    if (waitMs <= 0) return;
    if (waitMs > MAX_WAIT_MS) {
      // Refunds the units of a refused call.
      limit.take(-units);
      throw new BinnacleError('plugin_busy', {
        message: 'The plugin sends too many requests at once.',
        hint: 'Send fewer requests, or send them less often.',
      });
    }
    await new Promise<void>((resolve, reject) => {
      const cancel = this.#clock.after(waitMs, () => {
        signal.removeEventListener('abort', stop);
        resolve();
      });
      const stop = (): void => {
        cancel();
        reject(signal.reason instanceof BinnacleError ? signal.reason : unawaited());
      };
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop, { once: true });
    });
  }
}

/** Returns an error that no caller sees: the plugin's process has ended, or the deadline of the call is over. */
export const unawaited = (): BinnacleError =>
  new BinnacleError('plugin_stopped', { message: 'The caller no longer waits for the answer.' });
