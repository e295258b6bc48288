// One conversation as a store for components: its turns, the current answer, the queue. Knows no React.

import {
  type Approval,
  BinnacleError,
  type ConversationFacts,
  type ConversationItem,
  type ConversationState,
  defined,
  type MessageInfo,
  reduceConversation,
  withHistory,
  withoutOldest,
} from '@binnacle/protocol';
import type { Binnacle } from '../../client.ts';
import type { Conversation } from '../../conversation/conversation.ts';
import type { ConversationFeed } from '../../conversation/feed.ts';
import { hasReached, openConversation } from '../../conversation/opening.ts';
import { SnapshotStore } from './store.ts';

/** Options of `useConversation`. */
export interface ConversationOptions {
  /** Maximum number of messages, answers and notes to keep; `older` reads those in front of them. Default 400. */
  readonly maxTurns?: number;
  /**
   * `auto`: the oldest turns are dropped beyond `maxTurns`. `manual`: they stay until `trim` is called, because a reader
   * may be among them. Default `auto`.
   */
  readonly trimming?: 'auto' | 'manual';
}

/** State of a conversation, as components see it. */
export interface ConversationSnapshot {
  /** State of the reading. `ended`: the conversation was deleted. */
  readonly state: 'connecting' | 'live' | 'reconnecting' | 'ended' | 'failed';
  /** Title, owner, visibility and other facts. Undefined until connected. */
  readonly info: ConversationFacts | undefined;
  /**
   * Messages, answers and notes in the order in which the agent got them. The last answer grows while the agent talks.
   */
  readonly turns: readonly ConversationItem[];
  /** Waiting messages. */
  readonly queue: readonly MessageInfo[];
  /** Pending requests for approval. */
  readonly approvals: readonly Approval[];
  /** Id of the current run; null if there is none. */
  readonly run: string | null;
  /** Whether there are turns in front of these. */
  readonly hasOlder: boolean;
  /** Whether `older` is in progress. */
  readonly isLoadingOlder: boolean;
  /** Why the reading failed. */
  readonly error: BinnacleError | undefined;
}

export const NO_CONVERSATION_YET: ConversationSnapshot = {
  state: 'connecting',
  info: undefined,
  turns: [],
  queue: [],
  approvals: [],
  run: null,
  hasOlder: false,
  isLoadingOlder: false,
  error: undefined,
};

const MAX_TURNS = 400;
/** Messages of the first page, and of each older one. */
const PAGE = 50;
/** Maximum older pages in a row without a new item. More mean that something is wrong. */
const MAX_EMPTY_PAGES = 20;
/** Milliseconds without an event after which history is complete: its last entry may be an invisible one. */
const QUIET_MS = 250;
/** Its log began anew, or lost its beginning, while we read. */
const MAX_BEGINNINGS = 3;

export class ConversationStore extends SnapshotStore<ConversationSnapshot> {
  /** Handle that all components share: the lease and the order of messages belong to it. */
  readonly conversation: Conversation;
  readonly #client: Binnacle;
  readonly #maxTurns: number;
  readonly #trimsItself: boolean;
  /** Maximum turns to keep: as many as requested, plus the older ones that a reader has loaded. */
  #room: number;
  #feed: ConversationFeed | undefined;
  #talk: ConversationState | undefined;
  #quiet: ReturnType<typeof setTimeout> | undefined;
  #unlisten: (() => void) | undefined;

  constructor(client: Binnacle, key: string, options: ConversationOptions) {
    super(NO_CONVERSATION_YET);
    this.#client = client;
    this.conversation = client.conversation(key);
    this.#maxTurns = options.maxTurns ?? MAX_TURNS;
    this.#trimsItself = options.trimming !== 'manual';
    this.#room = this.#maxTurns;
  }

  begin(): void {
    this.#unlisten = this.#client.on('state', ({ kind }) => {
      const { state } = this.latest;
      if (kind === 'open' && state === 'reconnecting') this.change({ state: 'live' });
      else if (kind !== 'open' && state === 'live') this.change({ state: 'reconnecting' });
    });
    this.#follow(1);
  }

  /** Loads the page before. Resolves when it is there. */
  async older(): Promise<void> {
    if (this.latest.isLoadingOlder || this.#talk === undefined || this.#talk.earlier === null) return;
    this.change({ isLoadingOlder: true });
    try {
      const count = this.#talk.items.length;
      let before = this.#talk.earlier;
      for (let tries = 0; tries < MAX_EMPTY_PAGES; tries += 1) {
        const page = await this.conversation.history({ limit: PAGE, ...defined({ before }) });
        if (this.isOver) return;
        const talk = withHistory(this.#talk, page);
        const more = talk.items.length - this.#talk.items.length;
        this.#room += more;
        this.#show(talk);
        if (page.before === null || talk.items.length > count) return;
        before = page.before;
      }
    } finally {
      this.change({ isLoadingOlder: false });
    }
  }

  /** Drops turns in front of the last `maxTurns`, if there are twice as many. */
  trim(): void {
    const talk = this.#talk;
    if (this.latest.isLoadingOlder || talk === undefined || talk.items.length <= this.#maxTurns * 2) return;
    this.#room = this.#maxTurns;
    this.#show(withoutOldest(talk, this.#room));
  }

  protected stop(): void {
    this.#hush();
    this.#unlisten?.();
    this.#feed?.stop();
    this.conversation.lease.release().catch(() => {
      // The lease expires by itself.
    });
  }

  #follow(attempt: number): void {
    this.#run().catch((cause: unknown) => {
      this.#hush();
      if (this.isOver) return;
      const error = BinnacleError.of(cause);
      if ((error.code === 'wrong_epoch' || error.code === 'gap') && attempt < MAX_BEGINNINGS) {
        this.#talk = undefined;
        this.#follow(attempt + 1);
      } else this.change({ state: 'failed', error });
    });
  }

  async #run(): Promise<void> {
    const { conversation } = this;
    const { state, from, until } = await openConversation(conversation, PAGE);
    if (this.isOver) return;
    let talk = state;
    let isLive = false;
    const goLive = (): void => {
      isLive = true;
      this.change({ state: 'live' });
      this.#show(talk);
    };
    // There already; live once the gateway has taken that we follow.
    if (hasReached(from, until)) this.#show(talk);
    const feed = conversation.subscribe(from);
    this.#feed = feed;
    for await (const step of feed) {
      if (this.isOver) return;
      this.#hush();
      if (step.type === 'deleted') {
        this.change({ state: 'ended', run: null, queue: [], approvals: [] });
        this.#unlisten?.();
        return;
      }
      // The page of messages still has the text of events that the log has lost.
      if (step.type === 'gap' && !isLive) continue;
      talk = reduceConversation(this.#talk ?? talk, step);
      if (isLive) this.#show(talk);
      else if (hasReached(talk.position, until)) goLive();
      else this.#quiet = setTimeout(goLive, QUIET_MS);
    }
    if (!this.isOver) throw new BinnacleError('client_closed');
  }

  #show(talk: ConversationState): void {
    // Half as many again, so that not every turn moves all the others.
    const isFull = this.#trimsItself && talk.items.length > this.#room * 1.5;
    const trimmed = isFull ? withoutOldest(talk, this.#room) : talk;
    this.#talk = trimmed;
    const { info, items, queue, approvals, run, earlier } = trimmed;
    this.change({ info, turns: items, queue, approvals, run, hasOlder: earlier !== null });
  }

  #hush(): void {
    clearTimeout(this.#quiet);
  }
}
