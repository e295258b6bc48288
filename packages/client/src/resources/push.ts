// Notifications for who does not look: which browsers get them, and what is muted. Asks no browser for anything.

import type { Http } from '../transport/http.ts';

export interface PushState {
  /** What `PushManager.subscribe` takes; null where the operator wants none. */
  readonly publicKey: string | null;
  /** Of this user, that are notified. */
  readonly browsers: number;
  /** Also when a turn of an agent has ended, and not only when something waits. */
  readonly done: boolean;
}

/** As `PushSubscription.toJSON()` gives it. */
export interface PushSubscriptionJson {
  readonly endpoint: string;
  readonly expirationTime?: number | null;
  readonly keys: { readonly p256dh: string; readonly auth: string };
}

export interface Mutes {
  /** Ids. */
  readonly sessions: readonly string[];
  /** Keys. */
  readonly conversations: readonly string[];
}

export type Muted = { readonly session: string } | { readonly conversation: string };

export class Push {
  private readonly http: Http;

  constructor(http: Http) {
    this.http = http;
  }

  async state(): Promise<PushState> {
    return await this.http.json({ path: '/v1/push' });
  }

  /** Until this login ends. Throws `bad_push_endpoint`, `too_many_push_subscriptions`. */
  async subscribe(subscription: PushSubscriptionJson): Promise<void> {
    await this.http.json({ method: 'PUT', path: '/v1/push/subscription', body: subscription });
  }

  async unsubscribe(endpoint: string): Promise<void> {
    await this.http.json({ method: 'DELETE', path: '/v1/push/subscription', body: { endpoint } });
  }

  /** How many browsers took it. Throws `push_failed`, `push_not_subscribed`, `rate_limited`. */
  async test(endpoint?: string): Promise<number> {
    const body = endpoint === undefined ? {} : { endpoint };
    return (await this.http.json<{ taken: number }>({ method: 'POST', path: '/v1/push/test', body })).taken;
  }

  /** For this user, in all browsers. `done`: also when a turn of an agent has ended that took long. */
  async wish(wishes: Pick<PushState, 'done'>): Promise<void> {
    await this.http.json({ method: 'PATCH', path: '/v1/push', body: wishes });
  }

  async mutes(): Promise<Mutes> {
    return await this.http.json({ path: '/v1/mutes' });
  }

  /** For this user alone. Throws `too_many_mutes`. */
  async mute(what: Muted): Promise<void> {
    await this.http.json({ method: 'PUT', path: pathOf(what) });
  }

  async unmute(what: Muted): Promise<void> {
    await this.http.json({ method: 'DELETE', path: pathOf(what) });
  }
}

const pathOf = (what: Muted): string =>
  'session' in what
    ? `/v1/sessions/${encodeURIComponent(what.session)}/mute`
    : `/v1/conversations/${encodeURIComponent(what.conversation)}/mute`;
