// Search over the messages of all conversations that a viewer may see.

import type { MessageSearchResult } from '@binnacle/protocol';
import type { Search } from '../search/search.ts';
import type { Conversations } from './conversations.ts';
import type { ViewerRights } from './state/audience.ts';

export interface MessageQuery {
  readonly q: string;
  /** Key of the only conversation to search. */
  readonly conversation?: string;
  readonly after?: string;
  readonly limit?: number;
}

export class MessageSearch {
  readonly #search: Search;
  readonly #conversations: Conversations;

  constructor(search: Search, conversations: Conversations) {
    this.#search = search;
    this.#conversations = conversations;
  }

  /** Throws `conversation_not_found`, `bad_query`, `search_timeout`, `index_unavailable`. */
  async find({ conversation, ...query }: MessageQuery, viewer: ViewerRights): Promise<MessageSearchResult> {
    const { hits, ...rest } = await this.#search.messages(query, () => this.#idsOf(conversation, viewer));
    return {
      ...rest,
      hits: hits.flatMap(({ id: _, conversation: of, ...hit }) => {
        // Deleted or hidden during the search otherwise.
        const record = this.#conversations.seenBy(viewer, of);
        return record === undefined ? [] : [{ conversation: record.key, title: record.title, ...hit }];
      }),
    };
  }

  async #idsOf(conversation: string | undefined, viewer: ViewerRights): Promise<readonly string[] | undefined> {
    if (conversation === undefined) return this.#conversations.idsSeenBy(viewer);
    return [(await this.#conversations.get(conversation, viewer)).record.id];
  }
}
