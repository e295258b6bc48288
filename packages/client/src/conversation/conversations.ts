// Conversations of one gateway: make, list, look, watch. Knows no single one's log.

import {
  type AgentInfo,
  BinnacleError,
  type CommandInfo,
  type ConversationInfo,
  type ConversationList,
  type CreateConversation,
} from '@binnacle/protocol';
import type { Connection } from '../transport/connection.ts';
import type { Http } from '../transport/http.ts';
import { Conversation } from './conversation.ts';
import { type ConversationParts, conversationPath } from './retry.ts';
import { ConversationWatch, type ConversationWatchers, type WatchConversationsOptions } from './watch.ts';

export class Conversations {
  private readonly connection: Connection;
  private readonly parts: ConversationParts;
  private readonly watchers: ConversationWatchers;

  constructor(connection: Connection, http: Http) {
    const { settings, events } = connection;
    this.connection = connection;
    this.parts = { http, settings, events, open: new Set(), sleepers: new Set(), isClosed: false };
    this.watchers = new Map();
  }

  /** With a name: the one that is there, or a new one. Throws `unknown_agent`, `too_many_conversations` … */
  async create(spec: CreateConversation = {}): Promise<ConversationInfo> {
    return await this.parts.http.json({ method: 'POST', path: '/v1/conversations', body: spec });
  }

  /** One page of those that one may see; `after` is the `next` of the page before. */
  async list(page: { readonly after?: string; readonly limit?: number } = {}): Promise<ConversationList> {
    return await this.parts.http.json({ path: '/v1/conversations', query: { ...page } });
  }

  /** All pages. */
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

  /** Throws `conversation_not_found` for one that one may not see, too. */
  async get(key: string): Promise<ConversationInfo> {
    return await this.parts.http.json({ path: conversationPath(key) });
  }

  /** Who answers here. */
  async agents(): Promise<AgentInfo[]> {
    return (await this.parts.http.json<{ agents: AgentInfo[] }>({ path: '/v1/agents' })).agents;
  }

  /** What a message can begin with, as `/name`, to go to a plugin instead of the agent. */
  async commands(): Promise<readonly CommandInfo[]> {
    return (await this.parts.http.json<{ commands: CommandInfo[] }>({ path: '/v1/commands' })).commands;
  }

  /** All conversations, then every change of them. Each reconnect begins with a new `list`. */
  watch(options: WatchConversationsOptions = {}): ConversationWatch {
    return new ConversationWatch(this.connection, () => this.all(), options, this.watchers);
  }

  /** Of a guest of a share link: as `watch`, of the conversation that it is shown. */
  watchShared(key: string): ConversationWatch {
    return new ConversationWatch(this.connection, async () => [await this.get(key)], {}, this.watchers);
  }

  /** A handle, see `Binnacle.conversation`. */
  handle(key: string): Conversation {
    return new Conversation(this.connection, this.parts, key);
  }

  wake(): void {
    for (const wake of [...this.parts.sleepers]) wake();
  }

  /** The client is closed. */
  stop(): void {
    this.parts.isClosed = true;
    for (const open of [...this.parts.open]) open.stop(new BinnacleError('client_closed'));
  }
}
