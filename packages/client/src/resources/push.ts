// Push notifications: which browsers receive them, and what is muted. Asks no browser for permission.

import { defined } from '@binnacle/protocol';
import type { Http } from '../transport/http.ts';

/** Push notifications of this user. */
export interface PushState {
  /** Key for `PushManager.subscribe`; null if the operator has switched push notifications off. */
  readonly publicKey: string | null;
  /** Number of browsers of this user that receive notifications. */
  readonly browsers: number;
  /** Whether a long turn of an agent notifies when it has ended. Otherwise only something that waits does. */
  readonly done: boolean;
}

/** A browser's subscription, as `PushSubscription.toJSON()` returns it. */
export interface PushSubscriptionJson {
  /** Address of the browser's push service. */
  readonly endpoint: string;
  /** Unix time in milliseconds, if the subscription expires. */
  readonly expirationTime?: number | null;
  /** Keys for encryption. */
  readonly keys: { readonly p256dh: string; readonly auth: string };
}

/** Muted sessions and conversations of a user. */
export interface Mutes {
  /** Ids of sessions. */
  readonly sessions: readonly string[];
  /** Keys of conversations. */
  readonly conversations: readonly string[];
}

/** A session by its id, or a conversation by its key. */
export type Muted = { readonly session: string } | { readonly conversation: string };

/**
 * Push notifications, as `Binnacle.push`.
 *
 * @example
 * ```ts
 * const { publicKey } = await binnacle.push.state();
 * const worker = await navigator.serviceWorker.ready;
 * const subscription = await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: publicKey });
 * await binnacle.push.subscribe(subscription.toJSON() as Parameters<typeof binnacle.push.subscribe>[0]);
 * ```
 */
export class Push {
  readonly #http: Http;

  constructor(http: Http) {
    this.#http = http;
  }

  /** Returns the settings of this user. */
  async state(): Promise<PushState> {
    return await this.#http.json({ path: '/v1/push' });
  }

  /** Subscribes a browser until its login ends. Throws `bad_push_endpoint`, `too_many_push_subscriptions`. */
  async subscribe(subscription: PushSubscriptionJson): Promise<void> {
    await this.#http.json({ method: 'PUT', path: '/v1/push/subscription', body: subscription });
  }

  /** Removes a browser's subscription. */
  async unsubscribe(endpoint: string): Promise<void> {
    await this.#http.json({ method: 'DELETE', path: '/v1/push/subscription', body: { endpoint } });
  }

  /**
   * Sends a test notification to one browser, or to all of this user. Returns how many push services took it. Throws
   * `push_failed`, `push_not_subscribed`, `rate_limited`.
   */
  async test(endpoint?: string): Promise<number> {
    const body = defined({ endpoint });
    return (await this.#http.json<{ taken: number }>({ method: 'POST', path: '/v1/push/test', body })).taken;
  }

  /** Sets whether a long turn of an agent notifies when it has ended, for this user in all browsers. */
  async wish(wishes: Pick<PushState, 'done'>): Promise<void> {
    await this.#http.json({ method: 'PATCH', path: '/v1/push', body: wishes });
  }

  /** Returns what this user has muted. */
  async mutes(): Promise<Mutes> {
    return await this.#http.json({ path: '/v1/mutes' });
  }

  /** Mutes a session or a conversation for this user. Throws `too_many_mutes`. */
  async mute(what: Muted): Promise<void> {
    await this.#http.json({ method: 'PUT', path: pathOf(what) });
  }

  /** Removes a mute. */
  async unmute(what: Muted): Promise<void> {
    await this.#http.json({ method: 'DELETE', path: pathOf(what) });
  }
}

const pathOf = (what: Muted): string =>
  'session' in what
    ? `/v1/sessions/${encodeURIComponent(what.session)}/mute`
    : `/v1/conversations/${encodeURIComponent(what.conversation)}/mute`;
