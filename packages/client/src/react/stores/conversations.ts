// The list of conversations and of agents as a store for components. Knows no React.

import { type AgentInfo, BinnacleError, type ConversationInfo } from '@binnacle/protocol';
import type { Binnacle } from '../../client.ts';
import type { ConversationChange, ConversationWatch } from '../../conversation/watch.ts';
import { type ListSnapshot, ListStore } from './list.ts';

/** State of the list of conversations, as components see it. */
export interface ConversationsSnapshot extends ListSnapshot {
  /** The conversations that the user may see, in no order. */
  readonly conversations: readonly ConversationInfo[];
  /** The agents that a conversation may have. Undefined until they are known, and for guests of a share link. */
  readonly agents: readonly AgentInfo[] | undefined;
}

export const NO_CONVERSATIONS_YET: ConversationsSnapshot = {
  state: 'connecting',
  conversations: [],
  agents: undefined,
  error: undefined,
};

export class ConversationListStore extends ListStore<ConversationsSnapshot, ConversationChange> {
  readonly #shared: string | undefined;
  readonly #known = new Map<string, ConversationInfo>();
  #isChanged = false;

  /** `shared`: the conversation that a share link shows, for its guest. */
  constructor(client: Binnacle, shared: string | undefined) {
    super(client, NO_CONVERSATIONS_YET);
    this.#shared = shared;
  }

  /** Adds a conversation that the gateway has not reported yet. Listeners are called before this returns. */
  add(info: ConversationInfo): void {
    if (this.#known.has(info.key)) return;
    this.#put(info);
    this.publish();
  }

  protected watch(): ConversationWatch {
    const { conversations } = this.client;
    return this.#shared === undefined ? conversations.watch() : conversations.watchShared(this.#shared);
  }

  protected apply(event: ConversationChange): boolean {
    if (event.type === 'conversation') this.#put(event.info);
    else if (event.type === 'deleted') this.#isChanged = this.#known.delete(event.conversation) || this.#isChanged;
    if (event.type !== 'list') return false;
    this.#known.clear();
    this.#isChanged = true;
    for (const info of event.conversations) this.#put(info);
    // The config file may have been reloaded: each list, which also follows a reconnect, queries the agents again.
    if (this.#shared === undefined) this.#query();
    return true;
  }

  protected override settle(state: ConversationsSnapshot): ConversationsSnapshot {
    if (!this.#isChanged) return state;
    this.#isChanged = false;
    return { ...state, conversations: [...this.#known.values()] };
  }

  #put(info: ConversationInfo): void {
    this.#known.set(info.key, info);
    this.#isChanged = true;
  }

  #query(): void {
    this.client.conversations.agents().then(
      (agents) => this.change({ agents }),
      (cause: unknown) => this.change({ error: BinnacleError.of(cause) }),
    );
  }
}
