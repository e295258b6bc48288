// The resources that one client follows, and its pending notifications. Bounded: each resource is pending at most once
// per client, however often it changes and however slowly the client reads.

import { BinnacleError } from '@binnacle/protocol';
import type { ConcurrencyLimit } from '../../base/concurrency-limit.ts';
import type { Session } from '../../sessions/session.ts';
import type { SeenSessions } from '../../visibility/session-access.ts';
import { describeStatus, statusOf } from './answers.ts';
import { OutputWatch } from './output-watch.ts';
import { sessionOf } from './resource-uri.ts';

/** Maximum log messages stored for a disconnected client: one for each of a usual number of sessions. */
const MAX_MESSAGES = 64;

/** Channel to a client. */
export interface SubscriberChannel {
  /** True while the channel accepts nothing; its owner calls `flush` when it accepts data again. */
  readonly isFull: boolean;
  updated(uri: string): void;
  /** Sends a log message for a person. */
  log(level: 'info' | 'warning', text: string): void;
}

export class Subscriber {
  readonly #seen: SeenSessions;
  readonly #take: () => () => void;
  readonly #followed = new Map<string, () => void>();
  readonly #changed = new Set<string>();
  readonly #messages: { readonly level: 'info' | 'warning'; readonly text: string }[] = [];
  #outlet: SubscriberChannel | undefined;

  /** `subscriptionLimit`: counter of the resources that `who` follows, over all its clients. */
  constructor(who: string, seen: SeenSessions, subscriptionLimit: ConcurrencyLimit) {
    this.#seen = seen;
    this.#take = () => subscriptionLimit.take(who);
  }

  /**
   * Follows the session of a resource; idempotent. Throws `session_not_found` for an unknown URI or an invisible
   * session, `session_gone`, and `too_many_subscriptions`.
   */
  subscribe(uri: string): void {
    const id = sessionOf(uri);
    if (id === undefined)
      throw new BinnacleError('session_not_found', { message: `No resource "${uri.slice(0, 200)}".` });
    const session = this.#seen.get(id);
    if (this.#followed.has(uri)) return;
    const undo: (() => void)[] = [this.#take()];
    const end = (why: string): void => {
      this.unsubscribe(uri);
      this.#say('warning', `${uri} is not followed any more: ${why}`);
    };
    const watch = new OutputWatch(session, {
      changed: () => this.#mark(uri),
      exited: () => this.#say('info', `${uri}: ${endOf(session)}`),
      deleted: () => end('the session was deleted.'),
    });
    undo.push(
      () => watch.stop(),
      this.#seen.hold(session, (why) => end(why.message)),
    );
    this.#followed.set(uri, () => {
      for (const one of undo) one();
    });
  }

  unsubscribe(uri: string): void {
    const release = this.#followed.get(uri);
    this.#followed.delete(uri);
    release?.();
  }

  /** Connects the client's channel and sends the pending notifications. Returns the function that disconnects it. */
  connect(outlet: SubscriberChannel): () => void {
    this.#outlet = outlet;
    this.flush();
    return () => {
      if (this.#outlet === outlet) this.#outlet = undefined;
    };
  }

  flush(): void {
    const outlet = this.#outlet;
    if (outlet === undefined) return;
    for (const uri of this.#changed) {
      if (outlet.isFull) return;
      this.#changed.delete(uri);
      outlet.updated(uri);
    }
    for (const { level, text } of this.#messages.splice(0)) outlet.log(level, text);
  }

  end(): void {
    this.#outlet = undefined;
    for (const uri of [...this.#followed.keys()]) this.unsubscribe(uri);
    this.#changed.clear();
  }

  #mark(uri: string): void {
    this.#changed.add(uri);
    this.flush();
  }

  #say(level: 'info' | 'warning', text: string): void {
    // Drops the oldest message: the newest are the most useful after a long absence.
    if (this.#messages.push({ level, text }) > MAX_MESSAGES) this.#messages.shift();
    this.flush();
  }
}

const endOf = ({ info }: Session): string => describeStatus(statusOf(info, false));
