// Notifications for people who are not looking: to their browsers, and to the targets of the config file. Read this
// file first. Access is checked again before each try: a user who may no longer see something gets no notification of
// it.

import { createHash } from 'node:crypto';
import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { BinnacleError, type Scope } from '@binnacle/protocol';
import type { Logger } from 'pino';
import { withTimeout } from '../base/abort.ts';
import { fixedLookup } from '../base/fixed-lookup.ts';
import { LruMap } from '../base/lru-map.ts';
import type { NotifySettings } from '../config/notification-settings.ts';
import type { MuteStore } from '../store/mutes.ts';
import type { NotificationSettingsStore } from '../store/notification-settings.ts';
import type { PushSubscriptionRecord, PushSubscriptionStore } from '../store/push-subscriptions.ts';
import { Deliveries, type Delivery, type DeliveryLimits } from './deliveries.ts';
import { type Resolve, SubscriptionLookups } from './dns-lookup.ts';
import { checkKeys, encrypt } from './encrypt.ts';
import { isNamed, readEndpoint, resolveEndpoint } from './endpoint.ts';
import { notificationPath, notificationText } from './format.ts';
import { type DeliveryVerdict, POST_MS, post, verdictOn } from './post.ts';
import { ntfyMessage, type TargetMessage, webhookMessage } from './targets.ts';
import type { Vapid } from './vapid.ts';
import { isTurnEnd, slotOf, type UserWait, Waits, type WaitTimes } from './waits.ts';

/** A recipient with current rights. */
export interface Recipient {
  readonly user: string;
  readonly scope: Scope;
  readonly guest: null;
}

export interface NotificationsParts {
  readonly subscriptions: PushSubscriptionStore;
  readonly mutes: MuteStore;
  readonly wishes: NotificationSettingsStore;
  readonly vapid: Vapid;
  readonly settings: () => NotifySettings;
  /** Returns the subscriber of an issuer; undefined after the end of the token or login. */
  readonly holderOf: (issuer: string) => Recipient | undefined;
  /** True if the token or login has ended for good: revoked, or expired by a trusted clock. */
  readonly hasEnded: (issuer: string) => boolean;
  readonly maySee: (person: Recipient, what: Pick<UserWait, 'kind' | 'id'>) => boolean;
  /** True if the user has the session or conversation in view. */
  readonly isFocused: (user: string, what: Pick<UserWait, 'kind' | 'key'>) => boolean;
  readonly log: Logger;
  readonly times?: Partial<WaitTimes>;
  readonly limits?: Partial<DeliveryLimits>;
  readonly resolve?: Resolve;
}

/** Maximum waits not yet handed to the deliveries; beyond it the oldest is dropped. */
const MAX_NEWS = 1000;
const PAGE = 100;
/** Time for which a push service stores a notification for a phone that is off. Later it would be outdated. */
const TTL_S = 3600;
const NO_CONTACT = 'mailto:nobody@binnacle.invalid';
const TEST_EVERY_MS = 1000;

export type NotificationTransport = 'push' | 'ntfy' | 'webhook';
/**
 * Final result of a delivery. `gone`: the browser has unsubscribed. `failed`: all retries failed. `dropped`: removed to
 * make room.
 */
export type DeliveryOutcome = 'taken' | 'gone' | 'refused' | 'failed' | 'dropped';
/** Number of deliveries since the start, without tests. */
export type DeliveryCounts = Readonly<Record<NotificationTransport, Readonly<Record<DeliveryOutcome, number>>>>;

export class Notifications {
  readonly waits: Waits;
  readonly #parts: NotificationsParts;
  readonly #deliveries: Deliveries;
  /** Waits to notify of, by slot. */
  readonly #news = new LruMap<string, UserWait>(MAX_NEWS, {
    evicted: () =>
      this.#parts.log.warn({ waiting: MAX_NEWS }, 'too many waits at once; the notification of the oldest is dropped'),
  });
  readonly #lookups = new SubscriptionLookups();
  /** Monotonic time by user before which no other test is sent. Infinite while a test is under way. */
  readonly #noTestBefore = new Map<string, number>();
  readonly #counts = { push: noDeliveries(), ntfy: noDeliveries(), webhook: noDeliveries() };
  #isDispatching = false;
  #isStopped = false;

  constructor(parts: NotificationsParts) {
    this.#parts = parts;
    this.waits = new Waits((wait) => this.#enqueue(wait), parts.times);
    this.#deliveries = new Deliveries(parts.limits);
    // Subscriptions whose token or login ended while no gateway ran.
    for (const issuer of parts.subscriptions.issuers()) {
      if (parts.hasEnded(issuer)) parts.subscriptions.dropIssuer(issuer);
    }
  }

  /** Public key for subscriptions; undefined if the operator has turned push off. */
  get publicKey(): string | undefined {
    return this.#parts.settings().push === false ? undefined : this.#parts.vapid.publicKey;
  }

  /**
   * Stores a subscription. Throws `bad_push_endpoint`, `too_many_push_subscriptions`, `rate_limited`, and `forbidden`
   * if the operator has turned push off.
   */
  async subscribe(
    subscription: { readonly endpoint: string; readonly p256dh: Uint8Array; readonly auth: Uint8Array },
    by: { readonly user: string; readonly issuer: string },
  ): Promise<void> {
    if (this.publicKey === undefined) {
      throw new BinnacleError('forbidden', {
        message: 'The operator has switched push notifications off.',
        hint: 'notify.push in the config file says so.',
      });
    }
    checkKeys(subscription);
    const { pushOrigins = [] } = this.#parts.settings();
    const url = readEndpoint(subscription.endpoint, pushOrigins);
    // Before the DNS look-up: a user at the limit must cause no queries.
    this.#parts.subscriptions.checkRoom(subscription.endpoint, by.user);
    // Reported at once, and not only when no notification arrives. Accepted if DNS fails at the moment.
    if (!isNamed(url, pushOrigins)) {
      await this.#lookups.of(by.user, () =>
        resolveEndpoint(url, pushOrigins, { resolve: this.#parts.resolve }).catch((error: unknown) => {
          if (error instanceof BinnacleError) throw error;
        }),
      );
    }
    this.#parts.subscriptions.put({ ...subscription, ...by }, Date.now());
  }

  unsubscribe(endpoint: string, user: string): void {
    this.#parts.subscriptions.dropOwn(endpoint, user);
  }

  /** Removes the subscriptions of an ended issuer. */
  ended(issuer: string): void {
    this.#parts.subscriptions.dropIssuer(issuer);
  }

  get counts(): DeliveryCounts {
    return this.#counts;
  }

  count(user: string): number {
    return this.#parts.subscriptions.ofUser(user).length;
  }

  /**
   * Sends a test to a user's browsers, or to the named one. Returns how many accepted it. Throws `push_not_subscribed`,
   * `push_failed` (details.status), `rate_limited`.
   */
  async test(user: string, endpoint: string | undefined): Promise<number> {
    const all = this.#parts.subscriptions.ofUser(user);
    const recipients = endpoint === undefined ? all : all.filter((one) => one.endpoint === endpoint);
    if (recipients.length === 0 || this.publicKey === undefined) throw new BinnacleError('push_not_subscribed');
    const now = performance.now();
    this.#pace(user, now);
    try {
      return await this.#testAll(recipients);
    } finally {
      this.#noTestBefore.set(user, now + TEST_EVERY_MS);
    }
  }

  async #testAll(recipients: readonly PushSubscriptionRecord[]): Promise<number> {
    const text = { title: 'Binnacle', body: 'Notifications reach this browser.' };
    const body = { ...text, tag: 'test', path: '' };
    const verdicts = await Promise.all(
      recipients.map(async (one) => {
        const message = { body, topic: 'test', urgency: 'normal' } as const;
        const verdict = await this.#push(one, message, AbortSignal.timeout(20_000)).catch(unreached);
        if (verdict.kind === 'gone') this.#parts.subscriptions.drop(one.endpoint);
        return verdict;
      }),
    );
    const taken = verdicts.filter(({ kind }) => kind === 'taken').length;
    const [first] = verdicts;
    if (taken === 0 && first !== undefined) {
      throw new BinnacleError('push_failed', { details: { status: 'status' in first ? first.status : 410 } });
    }
    return taken;
  }

  stop(): void {
    this.#isStopped = true;
    this.waits.stop();
    this.#deliveries.stop();
    this.#news.clear();
  }

  #pace(user: string, now: number): void {
    for (const [one, until] of this.#noTestBefore) if (until <= now) this.#noTestBefore.delete(one);
    if (this.#noTestBefore.has(user)) {
      throw new BinnacleError('rate_limited', {
        message: 'A test was sent a moment ago.',
        details: { retryAfterMs: TEST_EVERY_MS },
      });
    }
    this.#noTestBefore.set(user, Number.POSITIVE_INFINITY);
  }

  #enqueue(wait: UserWait): void {
    this.#news.set(slotOf(wait), wait);
    if (!this.#isDispatching) void this.#dispatchAll();
  }

  /**
   * Hands waits to the deliveries one after the other, with back-pressure: a wait in this queue costs one row, for any
   * number of recipients.
   */
  async #dispatchAll(): Promise<void> {
    this.#isDispatching = true;
    for (const [slot, wait] of this.#news) {
      this.#news.delete(slot);
      try {
        await this.#notifyTargets(wait);
        await this.#notifyBrowsers(wait);
      } catch (error) {
        this.#parts.log.error({ err: error }, 'notifications of waits could not be sent');
      }
    }
    this.#isDispatching = false;
  }

  async #notifyTargets(wait: UserWait): Promise<void> {
    const { ntfy = [], webhooks = [], link } = this.#parts.settings();
    const ways = [
      ...ntfy.map((target, at) => ({
        ...{ way: 'ntfy' as const, at, target },
        make: (now: UserWait) => ntfyMessage(target, now, link, process.env),
      })),
      ...webhooks.map((target, at) => ({
        ...{ way: 'webhook' as const, at, target },
        make: (now: UserWait) => webhookMessage(target, now, link, process.env),
      })),
    ];
    for (const { way, at, target, make } of ways) {
      const { user = 'admin', url } = target;
      // A target without a user gets the waits of all users.
      const isTheirs = wait.for === null || target.user === undefined || target.user === wait.for;
      if (!isTheirs || (isTurnEnd(wait) && target.done === false)) continue;
      const recipient: Recipient = { user, scope: user === 'admin' ? 'admin' : 'view', guest: null };
      await this.#deliveries.room();
      this.#deliveries.add({
        name: `${way} ${at} ${slotOf(wait)}`,
        host: new URL(url).host,
        user: null,
        over: this.#over(way, String(at)),
        send: (signal) => {
          const now = this.waits.current(wait);
          // The reader of the topic may be another person than the user at a browser: only mutes count here, not focus.
          if (now === undefined || !this.#parts.maySee(recipient, now) || this.#isMuted(recipient, now))
            return undefined;
          return this.#send(make, now, signal);
        },
      });
    }
  }

  async #send(make: (wait: UserWait) => TargetMessage, wait: UserWait, signal: AbortSignal): Promise<DeliveryVerdict> {
    let message: TargetMessage;
    try {
      message = make(wait);
    } catch (error) {
      this.#parts.log.warn({ err: error }, 'a message of notify could not be created');
      return { kind: 'refused', status: 0 };
    }
    return verdictOn(await post({ ...message, signal }));
  }

  async #notifyBrowsers(wait: UserWait): Promise<void> {
    let last = 0;
    while (!this.#isStopped && this.publicKey !== undefined) {
      const { subscriptions } = this.#parts;
      const page = wait.for === null ? subscriptions.after(last, PAGE) : subscriptions.ofUser(wait.for);
      for (const { n, endpoint, issuer, user } of page) {
        last = n;
        // May have stopped during the wait for room.
        if (this.#isStopped) return;
        if (!this.#wants(issuer, wait)) continue;
        await this.#deliveries.room();
        // The endpoint is a secret; the log gets its host only.
        const { host } = new URL(endpoint);
        this.#deliveries.add({
          ...{ name: `push ${endpoint} ${slotOf(wait)}`, host, user },
          over: this.#over('push', host),
          send: (signal) => this.#pushIfCurrent(endpoint, wait, signal),
        });
      }
      if (wait.for !== null || page.length < PAGE) return;
      // Yields to the event loop: ten thousand subscriptions must not delay keystrokes.
      await yieldToEventLoop();
    }
  }

  #pushIfCurrent(endpoint: string, wait: UserWait, signal: AbortSignal): Promise<DeliveryVerdict> | undefined {
    const now = this.waits.current(wait);
    const subscription = this.#parts.subscriptions.get(endpoint);
    if (now === undefined || subscription === undefined || !this.#wants(subscription.issuer, now)) return undefined;
    const { id, state } = now;
    return this.#push(
      subscription,
      {
        body: { ...notificationText(now, true), tag: id, path: notificationPath(now) },
        topic: createHash('sha256').update(id).digest('base64url').slice(0, 32),
        urgency: state === 'waiting_approval' ? 'high' : 'normal',
      },
      signal,
    ).then((verdict) => {
      if (verdict.kind === 'gone') this.#parts.subscriptions.drop(endpoint);
      return verdict;
    });
  }

  #wants(issuer: string, wait: UserWait): boolean {
    const { holderOf, hasEnded, maySee, isFocused, subscriptions, wishes } = this.#parts;
    const recipient = holderOf(issuer);
    if (recipient === undefined && hasEnded(issuer)) subscriptions.dropIssuer(issuer);
    if (recipient === undefined) return false;
    if (wait.for !== null && wait.for !== recipient.user) return false;
    if (isTurnEnd(wait) && !wishes.of(recipient.user).done) return false;
    return maySee(recipient, wait) && !this.#isMuted(recipient, wait) && !isFocused(recipient.user, wait);
  }

  #isMuted({ user }: Recipient, { kind, id }: UserWait): boolean {
    return this.#parts.mutes.has(user, { kind, target: id });
  }

  async #push(
    subscription: PushSubscriptionRecord,
    message: { readonly body: object; readonly topic: string; readonly urgency: 'high' | 'normal' },
    signal: AbortSignal,
  ): Promise<DeliveryVerdict> {
    try {
      // One limit for both: a slow look-up leaves less time for the answer.
      return await withTimeout(POST_MS, signal, (limit) => this.#resolveAndPost(subscription, message, limit));
    } catch (error) {
      // The name currently leads to a forbidden address.
      if (error instanceof BinnacleError) return { kind: 'refused', status: 0 };
      throw error;
    }
  }

  async #resolveAndPost(
    subscription: PushSubscriptionRecord,
    { body, topic, urgency }: { readonly body: object; readonly topic: string; readonly urgency: 'high' | 'normal' },
    signal: AbortSignal,
  ): Promise<DeliveryVerdict> {
    const { pushOrigins = [], contact = NO_CONTACT } = this.#parts.settings();
    const url = readEndpoint(subscription.endpoint, pushOrigins);
    const addresses = await resolveEndpoint(url, pushOrigins, { signal, resolve: this.#parts.resolve });
    return verdictOn(
      await post({
        url,
        signal,
        lookup: fixedLookup(addresses),
        headers: {
          authorization: this.#parts.vapid.authorization(url.origin, contact),
          'content-type': 'application/octet-stream',
          'content-encoding': 'aes128gcm',
          ttl: String(TTL_S),
          topic,
          urgency,
        },
        body: encrypt(Buffer.from(JSON.stringify(body)), subscription),
      }),
    );
  }

  #over(way: NotificationTransport, to: string): NonNullable<Delivery['over']> {
    return (verdict) => {
      const outcome = outcomeOf(verdict);
      this.#counts[way][outcome] += 1;
      if (outcome === 'taken' || outcome === 'gone') return;
      this.#parts.log.warn({ kind: way, to, verdict }, 'a notification of a wait could not be sent');
    };
  }
}

/** Maps a delivery's last verdict to its outcome: `failed` after the last retry, `dropped` if it had to make room. */
const outcomeOf = (verdict: DeliveryVerdict | 'dropped'): DeliveryOutcome =>
  verdict === 'dropped' ? 'dropped' : verdict.kind === 'later' ? 'failed' : verdict.kind;

const noDeliveries = (): Record<DeliveryOutcome, number> => ({ taken: 0, gone: 0, refused: 0, failed: 0, dropped: 0 });

const unreached = (): DeliveryVerdict => ({ kind: 'later', afterMs: undefined, status: undefined });
