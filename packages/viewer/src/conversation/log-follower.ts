// The flow from a conversation's log to the page: the start, the end of the history, and older pages.

import {
  type Conversation,
  type ConversationFeed,
  type ConversationState,
  hasReached,
  openConversation,
  reduceConversation,
  withHistory,
  withInfo,
  withoutOldest,
} from '@binnacle/client';
import type { BinnacleError, ConversationInfo } from '@binnacle/protocol';
import { asFailure } from '../model/failure.ts';

export interface TranscriptState {
  /** `past`: history is being read. `live`: reading has caught up. `over`: no more events will come. */
  readonly phase: 'past' | 'live' | 'over';
  readonly state: ConversationState | undefined;
  /** The reason why following ended early. */
  readonly error: BinnacleError | undefined;
  readonly isDeleted: boolean;
  readonly loadingOlder: boolean;
}

export const EMPTY_TRANSCRIPT: TranscriptState = {
  phase: 'past',
  state: undefined,
  error: undefined,
  isDeleted: false,
  loadingOlder: false,
};

/** Messages of the first page. */
const FIRST_PAGE = 40;
/** Messages of each older page. */
const OLDER_PAGE = 50;
/** Maximum consecutive older pages without new messages. A few are normal; more are a fault. */
const MAX_EMPTY_PAGES = 20;
/** Idle delay after which the history counts as complete: the last entry may be one that the page does not get. */
const QUIET_MS = 250;
/** Maximum restarts of reading, after the log began anew or lost its beginning meanwhile. */
const MAX_BEGINNINGS = 3;
/** Maximum items in memory; beyond this the oldest are dropped, unless the reader is there. */
const MAX_ITEMS = 400;
const RETAINED_ITEMS = 200;

export class TranscriptFollower {
  readonly #conversation: Conversation;
  readonly #changed: (change: Partial<TranscriptState>) => void;
  #feed: ConversationFeed | undefined;
  #state: ConversationState | undefined;
  #quiet: ReturnType<typeof setTimeout> | undefined;
  #isStopped = false;
  #isLoading = false;

  constructor(conversation: Conversation, changed: (change: Partial<TranscriptState>) => void) {
    this.#conversation = conversation;
    this.#changed = changed;
  }

  begin(attempt = 1): void {
    this.#run().catch((cause: unknown) => {
      this.#hush();
      if (this.#isStopped) return;
      const error = asFailure(cause);
      if ((error.code === 'wrong_epoch' || error.code === 'gap') && attempt < MAX_BEGINNINGS) {
        this.#state = undefined;
        this.begin(attempt + 1);
      } else this.#changed({ phase: 'over', error });
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#hush();
    this.#feed?.stop();
  }

  /** Takes over the state from the list: the lease, the title, the visibility. */
  know(info: ConversationInfo): void {
    if (this.#state === undefined) return;
    this.#state = withInfo(this.#state, info);
    this.#changed({ state: this.#state });
  }

  /** Loads the previous page. Resolves when the page is there, or failed. */
  async older(): Promise<void> {
    if (this.#isLoading || this.#state === undefined || this.#state.earlier === null) return;
    this.#isLoading = true;
    this.#changed({ loadingOlder: true });
    try {
      let state = this.#state;
      const count = state.items.length;
      let before = state.earlier ?? undefined;
      for (let tries = 0; tries < MAX_EMPTY_PAGES; tries += 1) {
        const page = await this.#conversation.history({
          limit: OLDER_PAGE,
          ...(before === undefined ? {} : { before }),
        });
        if (this.#isStopped || this.#state === undefined) return;
        // Live events arrived meanwhile.
        state = withHistory(this.#state, page);
        this.#state = state;
        if (page.before === null || state.items.length > count) break;
        before = page.before;
      }
      this.#changed({ state });
    } catch (cause) {
      if (!this.#isStopped) this.#changed({ error: asFailure(cause) });
    } finally {
      this.#isLoading = false;
      if (!this.#isStopped) this.#changed({ loadingOlder: false });
    }
  }

  /** Drops items far above the end. The reader must not be there. */
  trim(): void {
    if (this.#isLoading || this.#state === undefined || this.#state.items.length <= MAX_ITEMS) return;
    this.#state = withoutOldest(this.#state, RETAINED_ITEMS);
    this.#changed({ state: this.#state });
  }

  async #run(): Promise<void> {
    const conversation = this.#conversation;
    const changed = this.#changed;
    const { from, until, ...opening } = await openConversation(conversation, FIRST_PAGE);
    if (this.#isStopped) return;
    let { state } = opening;
    let isLive = false;
    const show = (): void => {
      isLive = true;
      this.#state = state;
      changed({ phase: 'live', state });
    };
    const catchUp = (): void => {
      this.#hush();
      if (isLive || hasReached(state.position, until)) show();
      else this.#quiet = setTimeout(show, QUIET_MS);
    };
    if (hasReached(from, until)) show();
    const feed = conversation.subscribe(from);
    this.#feed = feed;
    for await (const step of feed) {
      if (this.#isStopped) return;
      if (step.type === 'deleted') {
        this.#hush();
        changed({ phase: 'over', isDeleted: true });
        return;
      }
      // The page of messages still has the words of history that the log has lost.
      if (step.type === 'gap' && !isLive) continue;
      // Older pages and updates from the list have changed the state meanwhile.
      state = reduceConversation(this.#state ?? state, step);
      catchUp();
    }
  }

  #hush(): void {
    clearTimeout(this.#quiet);
  }
}
