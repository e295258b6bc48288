// Tells people who do not look that something waits for them: their browsers, and where the config file says. Read this
// first. Who may see what is asked again before each try: nothing is sent to somebody who may not see it any more.

import { createHash } from 'node:crypto';
import { BinnacleError, type Scope } from '@binnacle/protocol';
import type { Logger } from 'pino';
import { always } from '../base/fixed-lookup.ts';
import { within } from '../base/with-timeout.ts';
import type { NotifySettings } from '../config/notification-settings.ts';
import type { MuteStore } from '../store/mutes.ts';
import type { HailWishStore } from '../store/notification-settings.ts';
import type { PushSubscriptionRecord, PushSubscriptionStore } from '../store/push-subscriptions.ts';
import { Deliveries, type Delivery, type DeliveryLimits } from './deliveries.ts';
import { type Resolve, SubscriptionLookups } from './dns-lookup.ts';
import { checkKeys, encrypt } from './encrypt.ts';
import { addressesOf, isNamed, readEndpoint } from './endpoint.ts';
import { hailPath, hailText } from './format.ts';
import { POST_MS, post, type Verdict, verdictOn } from './post.ts';
import { type Message, ntfyMessage, webhookMessage } from './targets.ts';
import type { Vapid } from './vapid.ts';
import { isTurnEnd, slotOf, type Wait, Waits, type WaitTimes } from './waits.ts';

/** Whoever is told, as they are now. */
export interface Person {
  readonly user: string;
  readonly scope: Scope;
  readonly reach: null;
}

export interface HailParts {
  readonly subscriptions: PushSubscriptionStore;
  readonly mutes: MuteStore;
  readonly wishes: HailWishStore;
  readonly vapid: Vapid;
  readonly settings: () => NotifySettings;
  /** Of whoever subscribed; undefined where their token or login has ended. */
  readonly holderOf: (issuer: string) => Person | undefined;
  /** Their token or login does not come back: it was revoked, or has expired by a clock that is to be believed. */
  readonly hasEnded: (issuer: string) => boolean;
  readonly maySee: (person: Person, what: Pick<Wait, 'kind' | 'id'>) => boolean;
  /** Has it before their eyes. */
  readonly isLooking: (user: string, what: Pick<Wait, 'kind' | 'key'>) => boolean;
  readonly log: Logger;
  readonly times?: Partial<WaitTimes>;
  readonly limits?: Partial<DeliveryLimits>;
  readonly resolve?: Resolve;
}

/** What waits that have not been handed to the deliveries; beyond it the oldest is left out. */
const MAX_NEWS = 1000;
const PAGE = 100;
/** How long a push service keeps it for a phone that is off. Later it would be no news. */
const TTL_S = 3600;
const NO_CONTACT = 'mailto:nobody@binnacle.invalid';
const TEST_EVERY_MS = 1000;

export type HailWay = 'push' | 'ntfy' | 'webhook';
/** `gone`: the browser has unsubscribed. `failed`: tried as often as is tried. `dropped`: it had to make room. */
export type HailOutcome = 'taken' | 'gone' | 'refused' | 'failed' | 'dropped';
/** Messages since the start, tests left out. */
export type HailCounts = Readonly<Record<HailWay, Readonly<Record<HailOutcome, number>>>>;

export class Hails {
  readonly waits: Waits;
  readonly #parts: HailParts;
  readonly #deliveries: Deliveries;
  /** By slot: what is to be told. */
  readonly #news = new Map<string, Wait>();
  readonly #lookups = new SubscriptionLookups();
  /** Times by user, monotonic, until which no other test is sent. For ever while a test is under way. */
  readonly #noTestBefore = new Map<string, number>();
  readonly #counts = { push: noneYet(), ntfy: noneYet(), webhook: noneYet() };
  #isTelling = false;
  #isStopped = false;

  constructor(parts: HailParts) {
    this.#parts = parts;
    this.waits = new Waits((wait) => this.#tell(wait), parts.times);
    this.#deliveries = new Deliveries(parts.limits);
    // Those whose token or login has ended while no gateway ran.
    for (const issuer of parts.subscriptions.issuers()) {
      if (parts.hasEnded(issuer)) parts.subscriptions.dropIssuer(issuer);
    }
  }

  /** Undefined where the operator wants none. */
  get publicKey(): string | undefined {
    return this.#parts.settings().push === false ? undefined : this.#parts.vapid.publicKey;
  }

  /** Throws `bad_push_endpoint`, `too_many_push_subscriptions`, `rate_limited`, `forbidden` where the operator wants none. */
  async subscribe(
    asked: { readonly endpoint: string; readonly p256dh: Uint8Array; readonly auth: Uint8Array },
    by: { readonly user: string; readonly issuer: string },
  ): Promise<void> {
    if (this.publicKey === undefined) {
      throw new BinnacleError('forbidden', {
        message: 'The operator has switched push notifications off.',
        hint: 'notify.push in the config file says so.',
      });
    }
    checkKeys(asked);
    const { pushOrigins = [] } = this.#parts.settings();
    const url = readEndpoint(asked.endpoint, pushOrigins);
    // Before anything is asked of others: who has all that they may have costs nothing.
    this.#parts.subscriptions.checkRoom(asked.endpoint, by.user);
    // Said now, and not only when nothing comes. Where no name can be looked up at the moment it is taken all the same.
    if (!isNamed(url, pushOrigins)) {
      await this.#lookups.of(by.user, () =>
        addressesOf(url, pushOrigins, { resolve: this.#parts.resolve }).catch((error: unknown) => {
          if (error instanceof BinnacleError) throw error;
        }),
      );
    }
    this.#parts.subscriptions.put({ ...asked, ...by }, Date.now());
  }

  unsubscribe(endpoint: string, user: string): void {
    this.#parts.subscriptions.dropOwn(endpoint, user);
  }

  /** Whatever had subscribed with it is not told any more. */
  ended(issuer: string): void {
    this.#parts.subscriptions.dropIssuer(issuer);
  }

  get counts(): HailCounts {
    return this.#counts;
  }

  count(user: string): number {
    return this.#parts.subscriptions.ofUser(user).length;
  }

  /**
   * To somebody's browsers, or to the one that is named. Answers how many took it. Throws `push_not_subscribed`,
   * `push_failed` (details.status), `rate_limited`.
   */
  async test(user: string, endpoint: string | undefined): Promise<number> {
    const all = this.#parts.subscriptions.ofUser(user);
    const wanted = endpoint === undefined ? all : all.filter((one) => one.endpoint === endpoint);
    if (wanted.length === 0 || this.publicKey === undefined) throw new BinnacleError('push_not_subscribed');
    const now = performance.now();
    this.#pace(user, now);
    try {
      return await this.#testAll(wanted);
    } finally {
      this.#noTestBefore.set(user, now + TEST_EVERY_MS);
    }
  }

  async #testAll(wanted: readonly PushSubscriptionRecord[]): Promise<number> {
    const text = { title: 'Binnacle', body: 'Notifications reach this browser.' };
    const body = { ...text, tag: 'test', path: '' };
    const verdicts = await Promise.all(
      wanted.map(async (one) => {
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

  #tell(wait: Wait): void {
    const slot = slotOf(wait);
    this.#news.delete(slot);
    this.#news.set(slot, wait);
    const oldest = this.#news.keys().next().value;
    if (this.#news.size > MAX_NEWS && oldest !== undefined) {
      this.#news.delete(oldest);
      this.#parts.log.warn({ waiting: MAX_NEWS }, 'more begins to wait than can be told; the oldest is left out');
    }
    if (!this.#isTelling) void this.#tellAll();
  }

  /** One behind the other, as fast as there is room: what waits here costs a row each, whoever is to be told. */
  async #tellAll(): Promise<void> {
    this.#isTelling = true;
    for (const [slot, wait] of this.#news) {
      this.#news.delete(slot);
      try {
        await this.#tellTargets(wait);
        await this.#tellBrowsers(wait);
      } catch (error) {
        this.#parts.log.error({ err: error }, 'people could not be told what waits');
      }
    }
    this.#isTelling = false;
  }

  async #tellTargets(wait: Wait): Promise<void> {
    const { ntfy = [], webhooks = [], link } = this.#parts.settings();
    const ways = [
      ...ntfy.map((target, at) => ({
        ...{ way: 'ntfy' as const, at, target },
        make: (now: Wait) => ntfyMessage(target, now, link, process.env),
      })),
      ...webhooks.map((target, at) => ({
        ...{ way: 'webhook' as const, at, target },
        make: (now: Wait) => webhookMessage(target, now, link, process.env),
      })),
    ];
    for (const { way, at, target, make } of ways) {
      const { user = 'admin', url } = target;
      // Where no user is named it is for all of them.
      const isTheirs = wait.for === null || target.user === undefined || target.user === wait.for;
      if (!isTheirs || (isTurnEnd(wait) && target.done === false)) continue;
      const person: Person = { user, scope: user === 'admin' ? 'admin' : 'view', reach: null };
      await this.#deliveries.room();
      this.#deliveries.add({
        name: `${way} ${at} ${slotOf(wait)}`,
        host: new URL(url).host,
        user: null,
        over: this.#over(way, String(at)),
        send: (signal) => {
          const now = this.waits.current(wait);
          // Who looks at it in a browser may be another than who reads the topic: only mutes count here.
          if (now === undefined || !this.#parts.maySee(person, now) || this.#isMuted(person, now)) return undefined;
          return this.#send(make, now, signal);
        },
      });
    }
  }

  async #send(make: (wait: Wait) => Message, wait: Wait, signal: AbortSignal): Promise<Verdict> {
    let message: Message;
    try {
      message = make(wait);
    } catch (error) {
      this.#parts.log.warn({ err: error }, 'a message of notify could not be made');
      return { kind: 'refused', status: 0 };
    }
    return verdictOn(await post({ ...message, signal }));
  }

  async #tellBrowsers(wait: Wait): Promise<void> {
    let last = 0;
    while (!this.#isStopped && this.publicKey !== undefined) {
      const { subscriptions } = this.#parts;
      const page = wait.for === null ? subscriptions.after(last, PAGE) : subscriptions.ofUser(wait.for);
      for (const { n, endpoint, issuer, user } of page) {
        last = n;
        // Whatever has been waited for.
        if (this.#isStopped) return;
        if (!this.#wants(issuer, wait)) continue;
        await this.#deliveries.room();
        // An endpoint is a secret; its host says enough.
        const { host } = new URL(endpoint);
        this.#deliveries.add({
          ...{ name: `push ${endpoint} ${slotOf(wait)}`, host, user },
          over: this.#over('push', host),
          send: (signal) => this.#pushIfWanted(endpoint, wait, signal),
        });
      }
      if (wait.for !== null || page.length < PAGE) return;
      // Ten thousand of them must not keep anybody's keystroke waiting.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #pushIfWanted(endpoint: string, wait: Wait, signal: AbortSignal): Promise<Verdict> | undefined {
    const now = this.waits.current(wait);
    const subscription = this.#parts.subscriptions.get(endpoint);
    if (now === undefined || subscription === undefined || !this.#wants(subscription.issuer, now)) return undefined;
    const { id, state } = now;
    return this.#push(
      subscription,
      {
        body: { ...hailText(now, true), tag: id, path: hailPath(now) },
        topic: createHash('sha256').update(id).digest('base64url').slice(0, 32),
        urgency: state === 'waiting_approval' ? 'high' : 'normal',
      },
      signal,
    ).then((verdict) => {
      if (verdict.kind === 'gone') this.#parts.subscriptions.drop(endpoint);
      return verdict;
    });
  }

  #wants(issuer: string, wait: Wait): boolean {
    const { holderOf, hasEnded, maySee, isLooking, subscriptions, wishes } = this.#parts;
    const person = holderOf(issuer);
    if (person === undefined && hasEnded(issuer)) subscriptions.dropIssuer(issuer);
    if (person === undefined) return false;
    if (wait.for !== null && wait.for !== person.user) return false;
    if (isTurnEnd(wait) && !wishes.of(person.user).done) return false;
    return maySee(person, wait) && !this.#isMuted(person, wait) && !isLooking(person.user, wait);
  }

  #isMuted({ user }: Person, { kind, id }: Wait): boolean {
    return this.#parts.mutes.has(user, { kind, target: id });
  }

  async #push(
    subscription: PushSubscriptionRecord,
    message: { readonly body: object; readonly topic: string; readonly urgency: 'high' | 'normal' },
    signal: AbortSignal,
  ): Promise<Verdict> {
    try {
      // Over both: a name that takes its time leaves less of it for the answer.
      return await within(POST_MS, signal, (limit) => this.#lookUpAndPost(subscription, message, limit));
    } catch (error) {
      // It leads to where nothing may be sent, today.
      if (error instanceof BinnacleError) return { kind: 'refused', status: 0 };
      throw error;
    }
  }

  async #lookUpAndPost(
    subscription: PushSubscriptionRecord,
    { body, topic, urgency }: { readonly body: object; readonly topic: string; readonly urgency: 'high' | 'normal' },
    signal: AbortSignal,
  ): Promise<Verdict> {
    const { pushOrigins = [], contact = NO_CONTACT } = this.#parts.settings();
    const url = readEndpoint(subscription.endpoint, pushOrigins);
    const addresses = await addressesOf(url, pushOrigins, { signal, resolve: this.#parts.resolve });
    return verdictOn(
      await post({
        url,
        signal,
        lookup: always(addresses),
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

  #over(way: HailWay, to: string): NonNullable<Delivery['over']> {
    return (verdict) => {
      const outcome = outcomeOf(verdict);
      this.#counts[way][outcome] += 1;
      if (outcome === 'taken' || outcome === 'gone') return;
      this.#parts.log.warn({ kind: way, to, verdict }, 'somebody could not be told that something waits');
    };
  }
}

/** What is tried again to the end, and what has to make room for others, has `failed` or was `dropped`. */
const outcomeOf = (verdict: Verdict | 'dropped'): HailOutcome =>
  verdict === 'dropped' ? 'dropped' : verdict.kind === 'later' ? 'failed' : verdict.kind;

const noneYet = (): Record<HailOutcome, number> => ({ taken: 0, gone: 0, refused: 0, failed: 0, dropped: 0 });

const unreached = (): Verdict => ({ kind: 'later', afterMs: undefined, status: undefined });
