// How much of the gateway's time one plugin may take with what it asks: so many units a second, for each plugin by itself.

import { BinnacleError } from '@binnacle/protocol';
import { Allowance, type Clock } from '../host/supervision.ts';

/** Whoever would have to wait longer is refused. */
const MAX_WAIT_MS = 2000;

export class Pace {
  readonly #clock: Clock;
  readonly #perSecond: number;
  readonly #of = new Map<string, Allowance>();

  constructor(clock: Clock, perSecond: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
  }

  /** Settles when it is its turn. Rejects with `plugin_busy`, and once nobody waits for the answer. */
  async turn(plugin: string, units: number, signal: AbortSignal): Promise<void> {
    let allowance = this.#of.get(plugin);
    if (allowance === undefined) {
      allowance = new Allowance(this.#clock, this.#perSecond);
      this.#of.set(plugin, allowance);
    }
    const waitMs = allowance.take(units);
    if (waitMs <= 0) return;
    if (waitMs > MAX_WAIT_MS) {
      // What was refused was not done.
      allowance.take(-units);
      throw new BinnacleError('plugin_busy', {
        message: 'The plugin asks for too much at once.',
        hint: 'Ask for less, or less often.',
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

/** Nobody hears it: the plugin's process has ended, or the deadline of the call is over. */
export const unawaited = (): BinnacleError =>
  new BinnacleError('plugin_stopped', { message: 'Nobody waits for the answer any more.' });
