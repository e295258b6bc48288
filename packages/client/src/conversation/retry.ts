// Shared by the requests of conversations: retries, their order, and the end when the client is closed.

import { BinnacleError } from '@binnacle/protocol';
import type { Emitter } from '../transport/event-emitter.ts';
import type { Http } from '../transport/http.ts';
import type { Settings } from '../transport/options.ts';
import { backoffDelay } from '../transport/reconnect.ts';
import { listenForWake } from '../transport/wake.ts';

export interface ConversationParts {
  readonly http: Http;
  readonly settings: Settings;
  /** Hears of faults that no call waits for. */
  readonly events: Emitter<{ error: BinnacleError }>;
  /** Requests in progress, so that closing the client ends them. */
  readonly open: Set<{ stop(error: BinnacleError): void }>;
  /** Requests that wait for their next attempt, so that a wake-up ends the wait. */
  readonly sleepers: Set<() => void>;
  /** The client was closed: nothing begins any more. */
  isClosed: boolean;
}

/** Waits before the next try; not beyond a wake-up of the network or the end of `signal`. */
export function pause(parts: ConversationParts, failures: number, signal: AbortSignal): Promise<void> {
  const { random, backoff } = parts.settings;
  return new Promise((resolve) => {
    const wake = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', wake);
      parts.sleepers.delete(wake);
      unlisten();
      resolve();
    };
    const timer = setTimeout(wake, backoffDelay(failures, random(), backoff));
    const unlisten = listenForWake(wake);
    parts.sleepers.add(wake);
    signal.addEventListener('abort', wake);
    if (signal.aborted) wake();
  });
}

export const known = (cause: unknown): BinnacleError =>
  cause instanceof BinnacleError ? cause : new BinnacleError('internal', { cause });

export const conversationPath = (key: string): string => `/v1/conversations/${encodeURIComponent(key)}`;
