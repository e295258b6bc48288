// The hooks of plugins: those before an event may veto, those after it are notified.

import { BinnacleError } from '@binnacle/protocol';
import { z } from 'zod';
import type { Log } from '../../base/logger.ts';
import type { HookName } from '../grant/permissions.ts';
import { briefly, LogThrottle } from './log-throttle.ts';
import type { OfferInForce, OfferOf, Offers } from './offers.ts';

type Hook = OfferInForce<OfferOf<'hook'>>;
export type BeforeHook = Extract<HookName, `before${string}`>;
export type AfterHook = Exclude<HookName, BeforeHook>;

const MAX_REASON = 1000;
const Answer = z.union([z.null(), z.undefined(), z.strictObject({ veto: z.string() })]);

export class Hooks {
  readonly #offers: Offers;
  readonly #log: Log;
  readonly #throttle = new LogThrottle();

  constructor(offers: Offers, log: Log) {
    this.#offers = offers;
    this.#log = log;
  }

  /** Returns whether any hook is in force for an event. Without one, no event needs to be built, and nothing waits. */
  has(on: HookName): boolean {
    return this.#hooks(on).length > 0;
  }

  /**
   * Calls the hooks before an event. Settles when all have answered. Rejects with `vetoed`: the reason of the first
   * hook that refuses, or that fails and is configured to refuse then.
   */
  async request(on: BeforeHook, event: object): Promise<void> {
    const verdicts = await Promise.all(this.#hooks(on).map((hook) => this.#verdict(hook, event)));
    const veto = verdicts.find((one) => one !== undefined);
    if (veto !== undefined) throw veto;
  }

  /** Notifies the hooks after an event, without waiting for them. */
  notify(on: AfterHook, event: object): void {
    for (const hook of this.#hooks(on)) {
      hook.invoke(event, hook.offer.deadlineMs).catch((error: unknown) => this.#failed(hook, error));
    }
  }

  #hooks(on: HookName): readonly Hook[] {
    return this.#offers.inForce('hook').filter(({ offer }) => offer.on === on);
  }

  async #verdict(hook: Hook, event: object): Promise<BinnacleError | undefined> {
    const { plugin, offer } = hook;
    try {
      const answer = await hook.invoke(event, offer.deadlineMs);
      const read = Answer.safeParse(answer);
      if (!read.success) throw this.#malformed(hook, answer);
      return read.data == null ? undefined : vetoed(plugin, offer.on, read.data.veto);
    } catch (error) {
      this.#failed(hook, error);
      // Not a failure of the plugin: otherwise a caller could bypass a hook by a large event.
      if (error instanceof BinnacleError && error.code === 'message_too_large') return error;
      if (offer.onFailure === 'open') return undefined;
      const why = error instanceof BinnacleError ? error.message : 'Its answer is none.';
      return vetoed(plugin, offer.on, `It was not asked, and nothing goes on without it. ${why}`);
    }
  }

  /** Refuses an unclear answer, which may have been meant as a veto: `false`, or a reason that is no text. */
  #malformed({ plugin, offer, note }: Hook, answer: unknown): BinnacleError {
    const then = offer.onFailure === 'open' ? 'It goes on' : 'Nothing goes on';
    const message = `${offer.on} answered \`${shown(answer)}\`: return {veto: 'why'} or nothing.`;
    note(`${message} ${then}, because onFailure is ${offer.onFailure}.`);
    return new BinnacleError('plugin_failed', { message: `${plugin}: ${message}`, details: { plugin } });
  }

  #failed({ plugin, offer }: Hook, error: unknown): void {
    const unsaid = this.#throttle.admit(plugin);
    if (unsaid === undefined) return;
    this.#log.warn({ why: briefly(error), plugin, hook: offer.on, unsaid }, 'a hook of a plugin failed');
  }
}

const shown = (answer: unknown): string => JSON.stringify(answer).slice(0, 100);

function vetoed(plugin: string, hook: HookName, reason: string): BinnacleError {
  const shortened = reason.slice(0, MAX_REASON);
  return new BinnacleError('vetoed', {
    message: `The plugin "${plugin}" does not allow it: ${shortened}`,
    details: { plugin, hook, reason: shortened },
  });
}
