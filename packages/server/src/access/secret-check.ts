// The comparison of secrets with stored digests, with a limit on failures per address: one check for tokens, logins and share links.

import type { IncomingMessage } from 'node:http';
import { BinnacleError } from '@binnacle/protocol';
import { kindOfSecret } from '../data-dir/admin-token.ts';
import { AttemptLimiter, type AttemptLimiterOptions, limiterKey } from './attempt-limit.ts';

export interface SecretCheckOptions {
  readonly limiter?: AttemptLimiterOptions;
  /** True if one accepted secret is short enough to be guessed: a short admin token. Default false. */
  readonly isGuessable?: boolean;
}

export class SecretCheck {
  readonly #limiter: AttemptLimiter;
  /** Limiter of possible guesses at a short admin token. Other failures do not count against it. */
  readonly #guesses: AttemptLimiter;
  readonly #isGuessable: boolean;
  #failures = 0;

  constructor({ limiter, isGuessable = false }: SecretCheckOptions = {}) {
    this.#limiter = new AttemptLimiter(limiter);
    this.#guesses = new AttemptLimiter(limiter);
    this.#isGuessable = isGuessable;
  }

  /** Number of failed attempts, without those that the limiter refused. */
  get failures(): number {
    return this.#failures;
  }

  /**
   * Compares a secret with the stored digests. Throws `rate_limited`, and the error of `refuse`.
   *
   * A secret in the format of this gateway has 256 bits, so it is always looked up, at the cost of one SHA-256 and one
   * index lookup. For an address with too many failures, the limiter refuses only attempts that fail: otherwise twenty
   * failures a minute from that address (by any local user; behind a proxy, by any client) would lock all other users
   * out. The hard limit protects the one secret that can be guessed, a short admin token: beyond that limit, the token
   * is not compared at all.
   */
  evaluate<T>(
    request: IncomingMessage,
    secret: string | undefined,
    check: {
      readonly verify: (secret: string) => T | undefined;
      readonly refuse: () => BinnacleError;
      /**
       * True where an admin token of the operator's choice is accepted. Default false: only secrets in the gateway's
       * format.
       */
      readonly isChosen?: boolean;
    },
  ): T {
    const key = limiterKey(request.socket.remoteAddress);
    const isOwn = secret !== undefined && kindOfSecret(secret) !== undefined;
    const isGuess = !isOwn && check.isChosen === true && this.#isGuessable;
    const limiter = isGuess ? this.#guesses : this.#limiter;
    const waitMs = limiter.waitMs(key);
    const isCompared = isOwn || (check.isChosen === true && !(isGuess && waitMs > 0));
    const found = secret !== undefined && isCompared ? check.verify(secret) : undefined;
    if (found !== undefined) return found;
    if (waitMs > 0) throw new BinnacleError('rate_limited', { details: { retryAfterMs: Math.ceil(waitMs) } });
    limiter.fail(key);
    this.#failures += 1;
    throw check.refuse();
  }
}
