// A message from a channel: routed to an agent and a session key, and sent there. Knows no HTTP.

import { createHash, randomUUID } from 'node:crypto';
import { BinnacleError, type SendReceipt, type SteerMode } from '@binnacle/protocol';
import { InOrder } from '../base/ordered-queue.ts';
import type { Route, RouteInput } from '../routing/index.ts';
import { RouteError } from '../routing/index.ts';
import type { Conversations } from './conversations.ts';
import type { Replies } from './replies.ts';
import { addressOf, type PluginReply } from './state/reply-address.ts';

export interface InboundMessage extends RouteInput {
  readonly text: string;
  /** The channel's own id of the message: sent twice it acts once. */
  readonly id?: string;
  /** Who wrote it, for people to read. */
  readonly from?: string;
  readonly steer?: SteerMode;
  /** Where the answer is to be posted. Must begin with one of the config's `inbound.replies`. */
  readonly reply?: string;
}

export interface InboundReceipt extends SendReceipt {
  readonly conversation: string;
  readonly route: Route;
}

export interface InboundAsked {
  readonly channel: string;
  readonly from: string;
  readonly text: string;
}

/** Who else hears of messages from channels. Neither throws. */
export interface InboundGuard {
  /** As `Guard.beforeRun`. */
  before(asked: InboundAsked): Promise<void> | undefined;
  after(asked: InboundAsked & { readonly conversation: string; readonly run: string | null }): void;
}

export interface InboundParts {
  readonly conversations: Conversations;
  readonly replies: Replies;
  /** Throws `RouteError`. */
  route(input: RouteInput): Route;
  /** What reply addresses may begin with. */
  allowedReplies(): readonly string[];
  /** Default: nobody. */
  readonly guard?: InboundGuard;
}

export class Inbound {
  readonly #parts: InboundParts;
  /** By whom they are from: those that others are asked about. */
  readonly #asked = new Map<string, InOrder>();

  constructor(parts: InboundParts) {
    this.#parts = parts;
  }

  /** Throws `unknown_agent`, `bad_key`, `reply_not_allowed`, `vetoed`, and what `Conversation.send` throws. */
  async receive(message: InboundMessage): Promise<InboundReceipt> {
    if (message.reply !== undefined) this.#checkReply(message.reply);
    return await this.#receive(message);
  }

  /** `reply`: of our own making, which nobody passes in from outside. Throws what `receive` throws. */
  async receiveFromPlugin(plugin: string, message: Omit<InboundMessage, 'reply'>, reply: PluginReply | undefined) {
    return await this.#receive(reply === undefined ? message : { ...message, reply: addressOf(reply) }, plugin);
  }

  async #receive(message: InboundMessage, plugin?: string): Promise<InboundReceipt> {
    const route = this.#routeOf(message);
    const { guard } = this.#parts;
    const asked = { channel: route.channel, from: nameOf(message, route), text: message.text };
    const receipt = await this.#inOrder(route.sessionKey, guard?.before(asked), () =>
      this.#send(message, route, plugin),
    );
    if (!receipt.duplicate)
      guard?.after({ ...asked, conversation: receipt.conversation, run: receipt.run?.id ?? null });
    return receipt;
  }

  /** What one answers quickly about must not come before what was there first. */
  #inOrder<T>(key: string, verdict: Promise<void> | undefined, act: () => Promise<T>): Promise<T> {
    const known = this.#asked.get(key);
    if (verdict === undefined && known === undefined) return act();
    const order = known ?? new InOrder();
    this.#asked.set(key, order);
    const done = order.pass(verdict, act);
    // Behind the turn of the event loop in which it lets go.
    const forget = (): void =>
      void setImmediate(() => {
        if (order.isEmpty && this.#asked.get(key) === order) this.#asked.delete(key);
      });
    done.then(forget, forget);
    return done;
  }

  async #send(message: InboundMessage, route: Route, plugin: string | undefined): Promise<InboundReceipt> {
    const { conversations, replies } = this.#parts;
    const { text, id, steer, reply } = message;
    const conversation = await conversations.ofChannel(route.sessionKey, plugin);
    const run = idOf(route, message, id);
    // Of one that was sent before, the reply is under way or done.
    const isNew = reply !== undefined && !conversation.knows(run);
    if (isNew) replies.expect(conversation.record.id, run, reply);
    const by = { user: null, name: nameOf(message, route) };
    let receipt: SendReceipt;
    try {
      receipt = conversation.send({ id: run, text, ...(steer === undefined ? {} : { steer }) }, by);
    } catch (error) {
      if (isNew) replies.forget(conversation.record.id, run);
      throw error;
    }
    if (isNew && receipt.run === null) replies.forget(conversation.record.id, run);
    return { conversation: conversation.record.key, route, ...receipt };
  }

  #routeOf({ text: _, id: _id, from: _from, steer: _steer, reply: _reply, ...input }: InboundMessage): Route {
    try {
      return this.#parts.route(input);
    } catch (error) {
      if (!(error instanceof RouteError)) throw error;
      throw new BinnacleError('unknown_agent', {
        message: error.message,
        hint: 'See binnacle route explain; mark one agent as default in the config file.',
        details: { reason: error.code },
        cause: error,
      });
    }
  }

  #checkReply(reply: string): void {
    if (URL.canParse(reply)) {
      // As it will be understood: neither dots nor a user name nor a hidden slash hides where it goes.
      const asked = new URL(reply);
      const isWeb = asked.protocol === 'http:' || asked.protocol === 'https:';
      const isPlain = isWeb && asked.username === '' && asked.password === '' && !/%2f|%5c/i.test(asked.pathname);
      if (isPlain && this.#parts.allowedReplies().some((prefix) => isBelow(asked, prefix))) return;
    }
    throw new BinnacleError('reply_not_allowed', { details: { reply: reply.slice(0, 200) } });
  }
}

const nameOf = ({ from, peer }: InboundMessage, { channel }: Route): string =>
  from ?? (String(peer?.id ?? '') || channel);

/** The same address, or one behind it: `/team` allows `/team?x=1` and `/team/a`, and not `/teams`. */
function isBelow(asked: URL, prefix: string): boolean {
  if (!URL.canParse(prefix)) return false;
  const allowed = new URL(prefix);
  if (asked.origin !== allowed.origin) return false;
  const path = allowed.pathname;
  return asked.pathname === path || asked.pathname.startsWith(path.endsWith('/') ? path : `${path}/`);
}

/** Ids of channels are anything; two accounts may use the same. */
function idOf({ channel, accountId }: Route, { peer }: RouteInput, id: string | undefined): string {
  if (id === undefined) return `in-${randomUUID()}`;
  const whole = JSON.stringify([channel, accountId, peer?.kind ?? null, String(peer?.id ?? ''), id]);
  return `in-${createHash('sha256').update(whole).digest('base64url')}`;
}
