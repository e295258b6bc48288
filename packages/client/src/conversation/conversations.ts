// The conversations of one gateway: create, list, watch. Reads no conversation's log.

import type {
  AgentInfo,
  CommandInfo,
  ConversationInfo,
  ConversationList,
  CreateConversation,
} from '@binnacle/protocol';
import type { Connection } from '../transport/connection.ts';
import type { Http } from '../transport/http.ts';
import { Operations } from '../transport/operation.ts';
import { Conversation } from './conversation.ts';
import { conversationPath } from './stream.ts';
import { ConversationWatch, type WatchConversationsOptions } from './watch.ts';

/**
 * Conversations with agents, as `Binnacle.conversations`.
 *
 * @example
 * ```ts
 * const { key } = await binnacle.conversations.create({ name: 'deploy' });
 * console.log(await binnacle.conversation(key).info());
 * ```
 */
export class Conversations {
  readonly #connection: Connection;
  readonly #operations: Operations;
  /** The options of all watches on this connection. */
  readonly #watchers = new Set<WatchConversationsOptions>();

  constructor(connection: Connection, http: Http) {
    this.#connection = connection;
    this.#operations = new Operations(http, connection);
  }

  /**
   * Creates a conversation. With a `name`, returns the existing conversation of that name if there is one. Throws
   * `unknown_agent`, `bad_key`, `too_many_conversations`.
   */
  async create(spec: CreateConversation = {}): Promise<ConversationInfo> {
    return await this.#operations.http.json({ method: 'POST', path: '/v1/conversations', body: spec });
  }

  /**
   * Returns one page of the conversations that the user may see. Pass the `next` of a page as `after` to get the page
   * behind it.
   */
  async list(page: { readonly after?: string; readonly limit?: number } = {}): Promise<ConversationList> {
    return await this.#operations.http.json({ path: '/v1/conversations', query: { ...page } });
  }

  /** Returns the conversations of all pages. */
  async all(): Promise<ConversationInfo[]> {
    const conversations: ConversationInfo[] = [];
    let after: string | null = null;
    do {
      const page: ConversationList = await this.list(after === null ? {} : { after });
      conversations.push(...page.conversations);
      after = page.next;
    } while (after !== null);
    return conversations;
  }

  /** Returns one conversation. Throws `conversation_not_found`, also for a conversation that the user may not see. */
  async get(key: string): Promise<ConversationInfo> {
    return await this.#operations.http.json({ path: conversationPath(key) });
  }

  /** Returns the agents that this gateway offers. */
  async agents(): Promise<AgentInfo[]> {
    return (await this.#operations.http.json<{ agents: AgentInfo[] }>({ path: '/v1/agents' })).agents;
  }

  /** Returns the commands of plugins. A message that begins with `/name` goes to the plugin instead of the agent. */
  async commands(): Promise<readonly CommandInfo[]> {
    return (await this.#operations.http.json<{ commands: CommandInfo[] }>({ path: '/v1/commands' })).commands;
  }

  /** Returns an iterable of all conversations, then of every change. Each reconnect begins with a new `list`. */
  watch(options: WatchConversationsOptions = {}): ConversationWatch {
    return new ConversationWatch(this.#connection, () => this.all(), options, this.#watchers);
  }

  /** Returns what `watch` returns, for a guest of a share link: the conversation that the link shows. */
  watchShared(key: string): ConversationWatch {
    return new ConversationWatch(this.#connection, async () => [await this.get(key)], {}, this.#watchers);
  }

  /** Returns a handle; see `Binnacle.conversation`. */
  handle(key: string): Conversation {
    return new Conversation(this.#connection, this.#operations, key);
  }

  /** Retries at once what waits for the network. */
  wake(): void {
    this.#operations.wake();
  }

  /** Ends what is in progress here when the client is closed. */
  stop(): void {
    this.#operations.stop();
  }
}
