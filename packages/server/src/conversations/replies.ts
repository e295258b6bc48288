// Replies to channels: one POST, or one call of a plugin, for each run whose message requested a reply, with retries
// until delivery. Stored in the catalogue, so that a restart loses none.

import { type Clocks, type ConversationRun, type EndEvent, isEndEvent, REAL_CLOCKS } from '@binnacle/protocol';
import type { Logger } from 'pino';
import { Timer } from '../base/timer.ts';
import type { ConversationStore } from '../store/conversations.ts';
import type { ReplyRecord, ReplyStore } from '../store/replies.ts';
import type { Conversations } from './conversations.ts';
import { type PluginReply, pluginReplyOf } from './state/reply-address.ts';

/** Maximum tries. With growing delays they span two days: 47 hours on average, 31 at least. */
const MAX_TRIES = 24;
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 6 * 3600_000;
const REQUEST_MS = 15_000;
const CHECK_MS = 1000;
/** Maximum replies under way. Together with the limit per host it keeps a slow host from starving the others. */
const MAX_SENDING = 64;
const MAX_SENDING_TO_HOST = 8;
/** Due time of a reply whose run has not ended. */
const NOT_YET = Number.MAX_SAFE_INTEGER;

/** A reply on its way to a plugin. */
export interface CarriedReply extends PluginReply {
  /** Id for deduplication: the same on each try. */
  readonly id: string;
  readonly conversation: string;
  readonly run: ConversationRun;
}

export interface RepliesParts {
  readonly store: ReplyStore;
  /** Reads the state of runs and messages. */
  readonly rows: Pick<ConversationStore, 'run' | 'messages'>;
  readonly conversations: Conversations;
  readonly log: Logger;
  /** Delivers a reply by a plugin. Rejects to have it tried again. Default: such replies are dropped. */
  carry?(reply: CarriedReply, signal: AbortSignal): Promise<'taken' | 'never'>;
  /** Default: global `fetch`. */
  readonly send?: typeof fetch;
  /** Default: the clocks of the machine. */
  readonly clocks?: Clocks;
}

export class Replies {
  readonly #parts: RepliesParts;
  /** Set while there are replies. */
  readonly #timer = new Timer();
  readonly #unlisten: () => void;
  readonly #abort = new AbortController();
  /** Names of the replies under way, with their hosts. */
  readonly #sending = new Map<string, string>();
  /** Due times of the next tries by name, monotonic. The rows store them for the next gateway. */
  readonly #dueAt = new Map<string, number>();
  readonly #clocks: Clocks;

  constructor(parts: RepliesParts) {
    this.#parts = parts;
    this.#clocks = parts.clocks ?? REAL_CLOCKS;
    this.#unlisten = parts.conversations.listen({
      changed: (conversation, events) => {
        for (const event of events) {
          if (isEndEvent(event)) this.#runOnEnd(conversation.record.id, event);
          // A cancelled message has no run, and therefore no reply.
          else if (event.type === 'message_cancelled') this.forget(conversation.record.id, event.id);
        }
      },
    });
    this.#checkLater();
  }

  /** Registers a reply. Call before the message is sent, so that no end of a run is missed. */
  expect(conversation: string, run: string, url: string): void {
    this.#parts.store.put({ conversation, run, url, tries: 0, dueAt: NOT_YET });
    this.#checkLater();
  }

  /** Removes a reply; for example that of a message which started no run. */
  forget(conversation: string, run: string): void {
    this.#parts.store.remove(conversation, run);
    this.#dueAt.delete(nameOf({ conversation, run }));
  }

  stop(): void {
    this.#timer.clear();
    this.#unlisten();
    this.#abort.abort();
  }

  /** Sends the reply in a later event-loop turn: errors here must not reach the caller that reported the end. */
  #runOnEnd(conversation: string, { run }: EndEvent): void {
    setImmediate(() => {
      try {
        const reply = this.#parts.store.find(conversation, run);
        if (reply !== undefined) this.#post(reply);
      } catch (error) {
        this.#parts.log.error({ err: error, run }, 'a reply could not be read; the gateway tries again');
      }
    });
  }

  #checkLater(): void {
    if (!this.#abort.signal.aborted) this.#timer.setOnce(CHECK_MS, () => this.#check());
  }

  /** Sends the replies that are due, and those whose run ended unnoticed. */
  #check(): void {
    try {
      const replies = this.#parts.store.list();
      if (replies.length > 0) this.#checkLater();
      // Rows disappear with their conversations.
      const names = new Set(replies.map(nameOf));
      for (const name of this.#dueAt.keys()) if (!names.has(name)) this.#dueAt.delete(name);
      for (const reply of replies) {
        if (reply.dueAt === NOT_YET ? this.#hasEnded(reply) : this.#isDue(reply)) this.#post(reply);
      }
    } catch (error) {
      this.#parts.log.error({ err: error }, 'replies could not be read; the gateway tries again');
      this.#checkLater();
    }
  }

  /**
   * Returns true when a reply is due. A reply that an earlier gateway tried waits at most one interval, whatever that
   * gateway's clock was.
   */
  #isDue(reply: ReplyRecord): boolean {
    const now = this.#clocks.monotonic();
    const name = nameOf(reply);
    let dueAt = this.#dueAt.get(name);
    if (dueAt === undefined) {
      const leftMs = Math.max(0, reply.dueAt - this.#clocks.wall());
      dueAt = now + Math.min(leftMs, mostPauseMs(reply.tries));
      this.#dueAt.set(name, dueAt);
    }
    return dueAt <= now;
  }

  #hasEnded({ conversation, run }: ReplyRecord): boolean {
    const found = this.#parts.rows.run(conversation, run);
    if (found !== undefined) return found.end !== null;
    return this.#parts.rows.messages.find(conversation, run)?.state !== 'queued';
  }

  /** Delivers a reply unless it is under way or its host is busy. The next check then finds it again. */
  #post(reply: ReplyRecord): void {
    const name = nameOf(reply);
    const host = hostOf(reply.url);
    const sameHost = [...this.#sending.values()].filter((one) => one === host).length;
    if (this.#sending.has(name) || this.#sending.size >= MAX_SENDING || sameHost >= MAX_SENDING_TO_HOST) return;
    this.#sending.set(name, host);
    this.#deliver(reply)
      .catch((error: unknown) => {
        // This try leaves no trace: the next check makes another.
        this.#parts.log.error({ err: error, run: reply.run }, 'a reply could not be delivered; it is tried again');
      })
      .finally(() => this.#sending.delete(name));
  }

  async #deliver(reply: ReplyRecord): Promise<void> {
    const { store, rows, log } = this.#parts;
    const run = rows.run(reply.conversation, reply.run);
    // The disk is full and the rows are behind the log: the end cannot be read yet.
    if (run !== undefined && run.end === null) return;
    const verdict = run === undefined ? 'never' : await this.#try(reply.url, run);
    if (this.#abort.signal.aborted) return;
    const tries = reply.tries + 1;
    if (verdict === 'later' && tries < MAX_TRIES) {
      // Random back-off, so that replies that failed together do not return together. At least half of the delay is
      // certain, so that the tries last for their days.
      const pauseMs = (0.5 + Math.random() / 2) * mostPauseMs(tries);
      this.#dueAt.set(nameOf(reply), this.#clocks.monotonic() + pauseMs);
      store.put({ ...reply, tries, dueAt: Math.round(this.#clocks.wall() + pauseMs) });
      return;
    }
    if (verdict !== 'taken')
      log.warn({ run: reply.run, to: hostOf(reply.url), tries }, 'a reply could not be delivered');
    this.forget(reply.conversation, reply.run);
  }

  async #try(url: string, run: ConversationRun): Promise<'taken' | 'later' | 'never'> {
    const { carry, send = fetch } = this.#parts;
    const carried = pluginReplyOf(url);
    if (carried !== undefined) {
      if (carry === undefined) return 'never';
      const reply = { ...carried, id: run.id, conversation: run.conversation, run };
      return await carry(reply, this.#abort.signal).catch(() => 'later');
    }
    const { conversation, id, state, text, end } = run;
    const error = end?.state === 'error' ? { error: end.error } : {};
    try {
      const response = await send(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': id },
        body: JSON.stringify({ conversation, run: id, state, text, ...error }),
        // Only the address itself was allowed, not the target of a redirect.
        redirect: 'manual',
        signal: AbortSignal.any([this.#abort.signal, AbortSignal.timeout(REQUEST_MS)]),
      });
      await response.body?.cancel();
      if (response.ok) return 'taken';
      return response.status >= 500 || response.status === 408 || response.status === 429 ? 'later' : 'never';
    } catch {
      return 'later';
    }
  }
}

const nameOf = ({ conversation, run }: Pick<ReplyRecord, 'conversation' | 'run'>): string => `${conversation} ${run}`;

const mostPauseMs = (tries: number): number => Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** tries);

/** Returns the host, or the plugin, by which concurrent deliveries are limited. */
function hostOf(address: string): string {
  const carried = pluginReplyOf(address);
  return carried === undefined ? new URL(address).host : `plugin ${carried.plugin}`;
}
