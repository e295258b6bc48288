// One conversation: send, follow, answer, read its history. Sends no request by itself.

import {
  type AbortReceipt,
  type ApprovalAnswer,
  type ConversationInfo,
  type ConversationRun,
  defined,
  type MessageInfo,
  type MessagePage,
  type Visibility,
} from '@binnacle/protocol';
import type { Connection } from '../transport/connection.ts';
import type { Operations } from '../transport/operation.ts';
import { randomId } from '../transport/random-id.ts';
import { ConversationFeed, type SubscribeOptions } from './feed.ts';
import { ConversationLease } from './lease.ts';
import { Reply, type SendOptions } from './reply.ts';
import { conversationPath } from './stream.ts';

/**
 * Handle to one conversation with an agent. It sends no request until a method is called.
 *
 * @example
 * ```ts
 * const { key } = await binnacle.conversations.create({ agent: 'claude', name: 'release notes' });
 * const chat = binnacle.conversation(key);
 * const reply = chat.send('Summarise the last commit.');
 * for await (const event of reply) if (event.type === 'delta' && event.stream === 'said') process.stdout.write(event.text);
 * console.log((await reply.ended)?.state);
 * ```
 */
export class Conversation {
  /** Key of the conversation: `agent:<agent>:<rest>`. */
  readonly key: string;
  /** Write lease: while a client holds it, the gateway refuses messages of all others. */
  readonly lease: ConversationLease;
  readonly #connection: Connection;
  readonly #operations: Operations;
  /** Settles when the message before was taken or refused, so that they come in the order in which they were sent. */
  #turn: Promise<unknown>;

  constructor(connection: Connection, operations: Operations, key: string) {
    this.key = key;
    this.#connection = connection;
    this.#operations = operations;
    this.lease = new ConversationLease(operations.http, conversationPath(key));
    this.#turn = Promise.resolve();
  }

  /**
   * Sends a message. The agent answers whether or not anyone reads the reply: loop over it for the events of its run,
   * await `receipt` for what the gateway did with the message, or `ended` for the end of the run. Messages of one
   * handle arrive in the order of the calls. Sent again after a lost connection, a message acts once.
   *
   * @example
   * ```ts
   * const reply = conversation.send('Stop the server first.', { steer: 'interrupt' });
   * const { message, duplicate } = await reply.receipt;
   * console.log(message.state, message.steer, duplicate);
   * ```
   */
  send(text: string, options: SendOptions = {}): Reply {
    const { id = randomId(), steer, timeoutMs, ...rest } = options;
    const message = { id, text, ...defined({ steer, timeoutMs }) };
    const lease = this.lease.current?.lease;
    const reply = new Reply(this.#operations, this.key, message, { ...rest, ...defined({ lease }) }, this.#turn);
    this.#turn = reply.settled;
    return reply;
  }

  /**
   * Follows the log from a place on: a position (`info.position`, that of a run, of another feed) or `'now'` (default).
   * It survives cut connections. Reduce its steps with `reduceConversation`. A client follows a conversation once at a
   * time: a second feed throws `too_many_subscriptions`.
   *
   * @example
   * ```ts
   * import { openConversation, reduceConversation } from '@binnacle/client';
   *
   * let { state, from } = await openConversation(conversation, 50);
   * for await (const step of conversation.subscribe(from)) {
   *   state = reduceConversation(state, step);
   *   console.log(state.items.length, state.approvals.map(({ title }) => title));
   * }
   * ```
   */
  subscribe(from = 'now', options: SubscribeOptions = {}): ConversationFeed {
    return new ConversationFeed(this.#connection, this.key, from, options);
  }

  /** Aborts a run; without an id, the current run and all waiting messages. */
  async abort(run?: string): Promise<AbortReceipt> {
    return run === undefined
      ? await this.#operations.http.json({ method: 'POST', path: `${this.#path}/abort` })
      : await this.#operations.http.json({ method: 'DELETE', path: this.#below('runs', run) });
  }

  /** Returns a page of messages, newest last. `before` is that of the page behind it; default: the newest page. */
  async history(page: { readonly before?: string; readonly limit?: number } = {}): Promise<MessagePage> {
    return await this.#operations.http.json({ path: `${this.#path}/messages`, query: { ...page } });
  }

  /** Returns one message. Throws `message_not_found`. */
  async message(id: string): Promise<MessageInfo> {
    return await this.#operations.http.json({ path: this.#below('messages', id) });
  }

  /**
   * Returns a run. With `waitMs` (at most 55,000) it waits until the run has ended or the time is over. Throws
   * `run_not_found`.
   */
  async run(id: string, options: { readonly waitMs?: number } = {}): Promise<ConversationRun> {
    const { waitMs = 0 } = options;
    const query = waitMs === 0 ? {} : { wait: waitMs };
    return await this.#operations.http.json({ path: this.#below('runs', id), query, waitMs });
  }

  /**
   * Answers a request for approval with the id of one of its options. The first answer counts: a later one throws
   * `approval_answered`, with the first in `details`. Throws `approval_not_found`, `unknown_option`.
   *
   * @example
   * ```ts
   * const { approvals } = await conversation.info();
   * for (const { id, title, options } of approvals) {
   *   const once = options.find(({ kind }) => kind === 'allow_once');
   *   if (once !== undefined) console.log(title, (await conversation.answer(id, once.id)).reason);
   * }
   * ```
   */
  async answer(approval: string, option: string): Promise<ApprovalAnswer> {
    const request = { method: 'POST' as const, path: this.#below('approvals', approval), body: { option } };
    return (await this.#operations.http.json<{ answer: ApprovalAnswer }>(request)).answer;
  }

  /** Changes the text of a waiting message. Throws `message_delivered` if the agent has it already. */
  async edit(id: string, text: string): Promise<MessageInfo> {
    return await this.#operations.http.json({ method: 'PATCH', path: this.#below('messages', id), body: { text } });
  }

  /** Cancels a waiting message. Throws `message_delivered` if the agent has it already. */
  async cancel(id: string): Promise<MessageInfo> {
    return await this.#operations.http.json({ method: 'DELETE', path: this.#below('messages', id) });
  }

  /** Adds a line to the log that the agent does not see. It carries the lease if this handle holds it. */
  async note(text: string): Promise<void> {
    const lease = this.lease.current?.lease;
    const headers = defined({ 'Binnacle-Lease': lease });
    await this.#operations.http.json({ method: 'POST', path: `${this.#path}/notes`, headers, body: { text } });
  }

  /** Returns the conversation's state. Throws `conversation_not_found`. */
  async info(): Promise<ConversationInfo> {
    return await this.#operations.http.json({ path: this.#path });
  }

  /** Changes the title or who may see the conversation. */
  async update(changes: { readonly title?: string; readonly visibility?: Visibility }): Promise<ConversationInfo> {
    return await this.#operations.http.json({ method: 'PATCH', path: this.#path, body: changes });
  }

  /** Ends the current run and removes the conversation with its log. */
  async delete(): Promise<void> {
    await this.#operations.http.json({ method: 'DELETE', path: this.#path });
  }

  get #path(): string {
    return conversationPath(this.key);
  }

  #below(what: string, id: string): string {
    return `${this.#path}/${what}/${encodeURIComponent(id)}`;
  }
}
