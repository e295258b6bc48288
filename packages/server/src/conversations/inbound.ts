// Messages from channels: routes each to an agent and a session key, and sends it there.

import { createHash, randomUUID } from 'node:crypto';
import { BinnacleError, defined, type SendReceipt, type SteerMode } from '@binnacle/protocol';
import { KeyedSerialQueue } from '../base/serial-queue.ts';
import type { Route, RouteInput } from '../routing/index.ts';
import { RouteError } from '../routing/index.ts';
import type { Conversations } from './conversations.ts';
import type { Replies } from './replies.ts';
import { addressOf, type PluginReply } from './state/reply-address.ts';

export interface InboundMessage extends RouteInput {
  readonly text: string;
  /** The channel's own id of the message, for deduplication. */
  readonly id?: string;
  /** Name of the sender, for display. */
  readonly from?: string;
  readonly steer?: SteerMode;
  /** Address to which the answer is posted. Must begin with one of the config's `inbound.replies`. */
  readonly reply?: string;
}

export interface InboundReceipt extends SendReceipt {
  readonly conversation: string;
  readonly route: Route;
}

export interface InboundRequest {
  readonly channel: string;
  readonly from: string;
  readonly text: string;
}

/** Hooks around messages from channels. Neither method throws. */
export interface InboundGuard {
  /** Called before the message is sent, as `AgentGuard.beforeRun`. */
  before(request: InboundRequest): Promise<void> | undefined;
  after(request: InboundRequest & { readonly conversation: string; readonly run: string | null }): void;
}

export interface InboundParts {
  readonly conversations: Conversations;
  readonly replies: Replies;
  /** Throws `RouteError`. */
  route(input: RouteInput): Route;
  /** Allowed prefixes of reply addresses. */
  allowedReplies(): readonly string[];
  /** Default: no hooks. */
  readonly guard?: InboundGuard;
}

export class InboundReceiver {
  readonly #parts: InboundParts;
  /** Order of messages that wait for hooks, by session key. */
  readonly #orders = new KeyedSerialQueue();

  constructor(parts: InboundParts) {
    this.#parts = parts;
  }

  /**
   * Routes and sends a message. Throws `unknown_agent`, `bad_key`, `reply_not_allowed`, `vetoed`, and what
   * `Conversation.send` throws.
   */
  async receive(message: InboundMessage): Promise<InboundReceipt> {
    if (message.reply !== undefined) this.#checkReply(message.reply);
    return await this.#receive(message);
  }

  /**
   * Receives a message for a plugin's channel. `reply` is made by the gateway and never comes from outside. Throws as
   * `receive` does.
   */
  async receiveFromPlugin(plugin: string, message: Omit<InboundMessage, 'reply'>, reply: PluginReply | undefined) {
    return await this.#receive(reply === undefined ? message : { ...message, reply: addressOf(reply) }, plugin);
  }

  async #receive(message: InboundMessage, plugin?: string): Promise<InboundReceipt> {
    const route = this.#routeOf(message);
    const { guard } = this.#parts;
    const request = { channel: route.channel, from: nameOf(message, route), text: message.text };
    const receipt = await this.#inOrder(route.sessionKey, guard?.before(request), () =>
      this.#send(message, route, plugin),
    );
    if (!receipt.duplicate)
      guard?.after({ ...request, conversation: receipt.conversation, run: receipt.run?.id ?? null });
    return receipt;
  }

  /** Keeps the order of arrival, although verdicts may take different times. */
  #inOrder<T>(key: string, verdict: Promise<void> | undefined, act: () => Promise<T>): Promise<T> {
    if (verdict === undefined && !this.#orders.has(key)) return act();
    return this.#orders.run(key, act, verdict);
  }

  async #send(message: InboundMessage, route: Route, plugin: string | undefined): Promise<InboundReceipt> {
    const { conversations, replies } = this.#parts;
    const { text, id, steer, reply } = message;
    const conversation = await conversations.ofChannel(route.sessionKey, plugin);
    const run = idOf(route, message, id);
    // For a message that was sent before, the reply is under way or done.
    const isNew = reply !== undefined && !conversation.knows(run);
    if (isNew) replies.expect(conversation.record.id, run, reply);
    const by = { user: null, name: nameOf(message, route) };
    let receipt: SendReceipt;
    try {
      receipt = conversation.send({ id: run, text, ...defined({ steer }) }, by);
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
      // Checks the address as it will be interpreted: dots, a user name or an encoded slash must not hide the target.
      const target = new URL(reply);
      const isWeb = target.protocol === 'http:' || target.protocol === 'https:';
      const isPlain = isWeb && target.username === '' && target.password === '' && !/%2f|%5c/i.test(target.pathname);
      if (isPlain && this.#parts.allowedReplies().some((prefix) => isBelow(target, prefix))) return;
    }
    throw new BinnacleError('reply_not_allowed', { details: { reply: reply.slice(0, 200) } });
  }
}

const nameOf = ({ from, peer }: InboundMessage, { channel }: Route): string =>
  from ?? (String(peer?.id ?? '') || channel);

/** Returns true for the same address or one below it: `/team` allows `/team?x=1` and `/team/a`, but not `/teams`. */
function isBelow(target: URL, prefix: string): boolean {
  if (!URL.canParse(prefix)) return false;
  const allowed = new URL(prefix);
  if (target.origin !== allowed.origin) return false;
  const path = allowed.pathname;
  return target.pathname === path || target.pathname.startsWith(path.endsWith('/') ? path : `${path}/`);
}

/** Makes the id of a message. Ids of channels are arbitrary, and two accounts may use the same. */
function idOf({ channel, accountId }: Route, { peer }: RouteInput, id: string | undefined): string {
  if (id === undefined) return `in-${randomUUID()}`;
  const whole = JSON.stringify([channel, accountId, peer?.kind ?? null, String(peer?.id ?? ''), id]);
  return `in-${createHash('sha256').update(whole).digest('base64url')}`;
}
