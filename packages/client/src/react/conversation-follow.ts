// One conversation as components see it: what was said, what is being said, what waits. Knows no React.

import {
  type Approval,
  BinnacleError,
  type ConversationInfo,
  comparePositions,
  type MessageInfo,
  type MessagePage,
  parsePosition,
} from '@binnacle/protocol';
import type { Binnacle } from '../client.ts';
import type { Conversation } from '../conversation.ts';
import type { ConversationFeed } from '../conversation-feed.ts';
import {
  type ConversationFacts,
  type ConversationItem,
  type ConversationState,
  emptyConversation,
  reduceConversation,
  withHistory,
  withoutOldest,
} from '../conversation-state.ts';
import { Followed } from './followed.ts';
import { asError } from './result.ts';

export interface ConversationOptions {
  /** Messages, answers and notes that are kept here; `older` brings back those before. Default 400. */
  readonly maxTurns?: number;
}

export interface ConversationSnapshot {
  /** `ended`: it was deleted. */
  readonly state: 'connecting' | 'live' | 'reconnecting' | 'ended' | 'failed';
  readonly info: ConversationFacts | undefined;
  /** In the order in which the agent had them; the last answer grows while the agent talks. */
  readonly turns: readonly ConversationItem[];
  /** Messages that wait for their turn. */
  readonly queue: readonly MessageInfo[];
  /** Requests that wait for somebody's answer. */
  readonly approvals: readonly Approval[];
  /** The run that is under way. */
  readonly run: string | null;
  /** There are turns before these: see `older`. */
  readonly hasOlder: boolean;
  readonly isLoadingOlder: boolean;
  /** Why it failed. */
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
/** So many answers are told with their tools and thoughts at first; those before as text alone. */
const WHOLE_ANSWERS = 10;
/** An older page may hold nothing that is not there already; after so many of those something is wrong. */
const MAX_EMPTY_PAGES = 20;
/** An entry that nobody is shown may be the last one: where nothing comes for so long, the past has been told. */
const QUIET_MS = 250;
/** Its log began anew, or lost its beginning, while we read. */
const MAX_BEGINNINGS = 3;

export class ConversationFollow extends Followed<ConversationSnapshot> {
  /** One for all components: the lease and the order of messages belong to it. */
  readonly conversation: Conversation;
  private readonly client: Binnacle;
  /** Turns that are kept: as many as were asked for, and the older ones that somebody has loaded to read them. */
  private room: number;
  private feed: ConversationFeed | undefined;
  private talk: ConversationState | undefined;
  private quiet: ReturnType<typeof setTimeout> | undefined;
  private unlisten: (() => void) | undefined;

  constructor(client: Binnacle, key: string, options: ConversationOptions) {
    super(NO_CONVERSATION_YET);
    this.client = client;
    this.conversation = client.conversation(key);
    this.room = options.maxTurns ?? MAX_TURNS;
    this.feed = undefined;
    this.talk = undefined;
    this.quiet = undefined;
    this.unlisten = undefined;
  }

  begin(): void {
    this.unlisten = this.client.on('state', ({ kind }) => {
      const { state } = this.latest;
      if (kind === 'open' && state === 'reconnecting') this.change({ state: 'live' });
      else if (kind !== 'open' && state === 'live') this.change({ state: 'reconnecting' });
    });
    this.follow(1);
  }

  /** Loads the page before. Resolves when it is there. */
  async older(): Promise<void> {
    if (this.latest.isLoadingOlder || this.talk === undefined || this.talk.earlier === null) return;
    this.change({ isLoadingOlder: true });
    try {
      const count = this.talk.items.length;
      let before = this.talk.earlier;
      for (let tries = 0; tries < MAX_EMPTY_PAGES; tries += 1) {
        const page = await this.conversation.history({ limit: PAGE, ...(before === undefined ? {} : { before }) });
        if (this.isOver) return;
        const talk = withHistory(this.talk, page);
        const more = talk.items.length - this.talk.items.length;
        this.room += more;
        this.show(talk);
        if (page.before === null || talk.items.length > count) return;
        before = page.before;
      }
    } finally {
      this.change({ isLoadingOlder: false });
    }
  }

  protected stop(): void {
    this.hush();
    this.unlisten?.();
    this.feed?.stop();
    this.conversation.lease.release().catch(() => {
      // It runs out by itself.
    });
  }

  private follow(attempt: number): void {
    this.run().catch((thrown: unknown) => {
      this.hush();
      if (this.isOver) return;
      const error = asError(thrown);
      if ((error.code === 'wrong_epoch' || error.code === 'gap') && attempt < MAX_BEGINNINGS) {
        this.talk = undefined;
        this.follow(attempt + 1);
      } else this.change({ state: 'failed', error });
    });
  }

  private async run(): Promise<void> {
    const { conversation } = this;
    // The info first: what happens behind its position is told by events, whatever the page has of it already.
    const info = await conversation.info();
    const page = await conversation.history({ limit: PAGE });
    const from = await this.beginning(info, page);
    if (this.isOver) return;
    // The texts, then the events from some runs back: each of those is told anew in its place, with its tools.
    let talk = withHistory(emptyConversation(info, from), withoutInjected(page, info));
    let isLive = false;
    const goLive = (): void => {
      isLive = true;
      this.change({ state: 'live' });
      this.show(talk);
    };
    // There already; live once the gateway has taken that we follow.
    if (isAt(from, info.position)) this.show(talk);
    const feed = conversation.subscribe(from);
    this.feed = feed;
    for await (const step of feed) {
      if (this.isOver) return;
      this.hush();
      if (step.type === 'deleted') {
        this.change({ state: 'ended', run: null, queue: [], approvals: [] });
        this.unlisten?.();
        return;
      }
      // What the log has lost of the past, the page of messages has kept the words of.
      if (step.type === 'gap' && !isLive) continue;
      talk = reduceConversation(this.talk ?? talk, step);
      if (isLive) this.show(talk);
      else if (isAt(talk.position, info.position)) goLive();
      else this.quiet = setTimeout(goLive, QUIET_MS);
    }
    if (!this.isOver) throw new BinnacleError('client_closed');
  }

  private show(talk: ConversationState): void {
    // Half as many again, so that not every turn moves all the others.
    const kept = talk.items.length > this.room * 1.5 ? withoutOldest(talk, this.room) : talk;
    this.talk = kept;
    const { info, items, queue, approvals, run, earlier } = kept;
    this.change({ info, turns: items, queue, approvals, run, hasOlder: earlier !== null });
  }

  private hush(): void {
    clearTimeout(this.quiet);
  }

  /** Before the first run that is told whole. */
  private async beginning(info: ConversationInfo, page: MessagePage): Promise<string> {
    const first = answersIn(page)[0]?.run;
    const now = info.run?.position ?? info.position;
    if (first === undefined || first === null) return now;
    // Without a place in the log (it is not kept any more), what was said is there still.
    const run = await this.conversation.run(first).catch(() => null);
    // Of another life of the log it would lead nowhere.
    return typeof run?.position === 'string' && parsePosition(run.position).epoch === info.epoch ? run.position : now;
  }
}

const answersIn = (page: MessagePage): readonly MessageInfo[] =>
  page.messages.filter(({ role, run }) => role === 'assistant' && run !== null).slice(-WHOLE_ANSWERS);

/** What was handed into a run that is told whole comes with its events, in its place. */
function withoutInjected(page: MessagePage, info: ConversationInfo): MessagePage {
  const whole = new Set(answersIn(page).map(({ run }) => run));
  if (info.run !== null) whole.add(info.run.id);
  const isInjected = ({ role, run, id }: MessageInfo): boolean =>
    role === 'user' && run !== null && run !== id && whole.has(run);
  return { ...page, messages: page.messages.filter((message) => !isInjected(message)) };
}

function isAt(position: string, target: string): boolean {
  const [a, b] = [parsePosition(position), parsePosition(target)];
  return a.epoch !== b.epoch || comparePositions(a, b) >= 0;
}
