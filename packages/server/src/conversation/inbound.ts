// A message from a channel: routed to an agent and a session key, and sent there. Knows no HTTP.

import { createHash, randomUUID } from 'node:crypto';
import { BinnacleError, type SendReceipt, type SteerMode } from '@binnacle/protocol';
import type { Route, RouteInput } from '../routing/index.ts';
import { RouteError } from '../routing/index.ts';
import type { Conversations } from './conversations.ts';
import type { Replies } from './replies.ts';

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

export interface InboundParts {
  readonly conversations: Conversations;
  readonly replies: Replies;
  /** Throws `RouteError`. */
  route(input: RouteInput): Route;
  /** What reply addresses may begin with. */
  allowedReplies(): readonly string[];
}

export class Inbound {
  readonly #parts: InboundParts;

  constructor(parts: InboundParts) {
    this.#parts = parts;
  }

  /** Throws `unknown_agent`, `bad_key`, `reply_not_allowed`, and what `Conversation.send` throws. */
  async receive(message: InboundMessage): Promise<InboundReceipt> {
    const { conversations, replies } = this.#parts;
    const { text, id, from, steer, reply, ...input } = message;
    if (reply !== undefined) this.#checkReply(reply);
    const route = this.#routeOf(input);
    const conversation = await conversations.ofChannel(route.sessionKey);
    const run = idOf(route, input, id);
    // Of one that was sent before, the reply is under way or done.
    const isNew = reply !== undefined && !conversation.knows(run);
    if (isNew) replies.expect(conversation.record.id, run, reply);
    const name = from ?? (String(input.peer?.id ?? '') || route.channel);
    let receipt: SendReceipt;
    try {
      receipt = conversation.send({ id: run, text, ...(steer === undefined ? {} : { steer }) }, { user: null, name });
    } catch (error) {
      if (isNew) replies.forget(conversation.record.id, run);
      throw error;
    }
    if (isNew && receipt.run === null) replies.forget(conversation.record.id, run);
    return { conversation: conversation.record.key, route, ...receipt };
  }

  #routeOf(input: RouteInput): Route {
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
      const isPlain = asked.username === '' && asked.password === '' && !/%2f|%5c/i.test(asked.pathname);
      if (isPlain && this.#parts.allowedReplies().some((prefix) => isBelow(asked, prefix))) return;
    }
    throw new BinnacleError('reply_not_allowed', { details: { reply: reply.slice(0, 200) } });
  }
}

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
