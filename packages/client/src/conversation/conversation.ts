// One conversation as its caller sees it: send, follow, answer, look back. Asks nothing by itself.

import type {
  AbortReceipt,
  ApprovalAnswer,
  ConversationInfo,
  ConversationRun,
  MessageInfo,
  MessagePage,
  Visibility,
} from '@binnacle/protocol';
import type { Connection } from '../transport/connection.ts';
import { randomId } from '../transport/random-id.ts';
import { ConversationFeed, type SubscribeOptions } from './feed.ts';
import { ConversationLease } from './lease.ts';
import { Reply, type SendOptions } from './reply.ts';
import { type ConversationParts, conversationPath } from './retry.ts';

export class Conversation {
  readonly key: string;
  /** Who may write while somebody holds it: see `acquire`. */
  readonly lease: ConversationLease;
  private readonly connection: Connection;
  private readonly parts: ConversationParts;
  /** Settles when the message before was taken or refused, so that they come in the order in which they were sent. */
  private turn: Promise<unknown>;

  constructor(connection: Connection, parts: ConversationParts, key: string) {
    this.key = key;
    this.connection = connection;
    this.parts = parts;
    this.lease = new ConversationLease(parts.http, conversationPath(key));
    this.turn = Promise.resolve();
  }

  /**
   * Sends a message, whether or not anybody reads the reply: loop over it for the events of its run, await `receipt` for
   * what the gateway made of it, or `ended` for how it ended. Sent again after a lost connection, it acts once.
   */
  send(text: string, options: SendOptions = {}): Reply {
    const { id = randomId(), steer, timeoutMs, ...rest } = options;
    const message = {
      id,
      text,
      ...(steer === undefined ? {} : { steer }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    };
    const lease = this.lease.held?.lease;
    const reply = new Reply(
      this.parts,
      this.key,
      message,
      { ...rest, ...(lease === undefined ? {} : { lease }) },
      this.turn,
    );
    this.turn = reply.settled;
    return reply;
  }

  /**
   * Follows the log from `from`: a position (`info.position`, that of a run, of another feed) or `'now'`, the default. A
   * client follows a conversation once at a time: a second feed throws `too_many_subscriptions`. Reduce what it tells
   * with `reduceConversation`.
   */
  subscribe(from = 'now', options: SubscribeOptions = {}): ConversationFeed {
    return new ConversationFeed(this.connection, this.key, from, options);
  }

  /** Ends a run; without an id, what runs and what waits. */
  async abort(run?: string): Promise<AbortReceipt> {
    return run === undefined
      ? await this.parts.http.json({ method: 'POST', path: `${this.path}/abort` })
      : await this.parts.http.json({ method: 'DELETE', path: this.below('runs', run) });
  }

  /** A page of messages, newest last. `before`: of the page that came after it; default: the newest. */
  async history(page: { readonly before?: string; readonly limit?: number } = {}): Promise<MessagePage> {
    return await this.parts.http.json({ path: `${this.path}/messages`, query: { ...page } });
  }

  /** Throws `message_not_found`. */
  async message(id: string): Promise<MessageInfo> {
    return await this.parts.http.json({ path: this.below('messages', id) });
  }

  /** A run as it is now; with `waitMs` (at most 55,000), as it is when it has ended or that time is over. */
  async run(id: string, options: { readonly waitMs?: number } = {}): Promise<ConversationRun> {
    const { waitMs = 0 } = options;
    const query = waitMs === 0 ? {} : { wait: waitMs };
    return await this.parts.http.json({ path: this.below('runs', id), query, waitMs });
  }

  /** Answers a request. The first answer counts: a later one throws `approval_answered`, with details of the first. */
  async answer(approval: string, option: string): Promise<ApprovalAnswer> {
    const request = { method: 'POST' as const, path: this.below('approvals', approval), body: { option } };
    return (await this.parts.http.json<{ answer: ApprovalAnswer }>(request)).answer;
  }

  /** Of a message that waits. Throws `message_delivered` when the agent has it already. */
  async edit(id: string, text: string): Promise<MessageInfo> {
    return await this.parts.http.json({ method: 'PATCH', path: this.below('messages', id), body: { text } });
  }

  /** Takes back a message that waits. Throws `message_delivered` when the agent has it already. */
  async cancel(id: string): Promise<MessageInfo> {
    return await this.parts.http.json({ method: 'DELETE', path: this.below('messages', id) });
  }

  /** A line in the log that the agent does not get. With the lease, if it is held here. */
  async note(text: string): Promise<void> {
    const lease = this.lease.held?.lease;
    const headers = lease === undefined ? {} : { 'Binnacle-Lease': lease };
    await this.parts.http.json({ method: 'POST', path: `${this.path}/notes`, headers, body: { text } });
  }

  async info(): Promise<ConversationInfo> {
    return await this.parts.http.json({ path: this.path });
  }

  async update(changes: { readonly title?: string; readonly visibility?: Visibility }): Promise<ConversationInfo> {
    return await this.parts.http.json({ method: 'PATCH', path: this.path, body: changes });
  }

  /** Ends what runs, and removes the conversation with its log. */
  async delete(): Promise<void> {
    await this.parts.http.json({ method: 'DELETE', path: this.path });
  }

  private get path(): string {
    return conversationPath(this.key);
  }

  private below(what: string, id: string): string {
    return `${this.path}/${what}/${encodeURIComponent(id)}`;
  }
}
