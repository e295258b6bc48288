// One conversation on one connection, by whatever transport: a pump over its log, at a pace. Knows no socket.

import {
  type ConversationEvent,
  type ConversationRun,
  isEndEvent,
  type Position,
  type SendReceipt,
} from '@binnacle/protocol';
import type { Conversation } from '../../conversations/conversation.ts';
import { Pace, REAL_CLOCK } from '../../conversations/state/pace.ts';
import { parseEntry } from '../../conversations/state/transcript.ts';
import { Cursor } from '../../cursor/cursor.ts';
import { type Gap, Pump, type Sink, type Took } from '../../cursor/pump.ts';
import type { Page } from '../../log/log.ts';

/** What a feed needs of its connection. */
export interface FeedOutlet {
  /** False when there is no room for more now. */
  events(feed: ConversationFeed, events: readonly ConversationEvent[], behind: Position): boolean;
  gap(feed: ConversationFeed, reason: 'retention' | 'damaged', next: Position): boolean;
  failed(feed: ConversationFeed, error: unknown): void;
  /** All runs that were wanted have ended. */
  over(feed: ConversationFeed): void;
  /** Everything there is was sent, up to `until` at least. */
  caughtUp?(feed: ConversationFeed): void;
}

export const headOf = ({ log }: Conversation): Position => ({ epoch: log.epoch, ...log.head });

/** The run that a message belongs to: its own, or the one that it was handed into. */
export const runOfReceipt = (receipt: SendReceipt, conversation: Conversation): ConversationRun | null =>
  receipt.run ?? (receipt.message.state === 'cancelled' ? null : conversation.run);

const PARSED = Symbol('events of a page');
interface Parsed {
  readonly events: readonly ConversationEvent[];
  readonly behind: Position;
}

export class ConversationFeed implements Sink {
  readonly conversation: Conversation;
  readonly #outlet: FeedOutlet;
  readonly #pump: Pump;
  readonly #pace: Pace;
  /** Undefined: everything. */
  #runs: Set<string> | undefined;
  #sent: Position;
  #hasRoom = true;
  #isOver = false;

  constructor(parts: {
    readonly conversation: Conversation;
    readonly at: Position;
    readonly intervalMs: number;
    /** Only what belongs to these. Default: everything. */
    readonly runs?: readonly string[];
    readonly outlet: FeedOutlet;
  }) {
    const { conversation, at, intervalMs, runs, outlet } = parts;
    this.conversation = conversation;
    this.#outlet = outlet;
    this.#runs = runs === undefined ? undefined : new Set(runs);
    this.#sent = at;
    this.#pump = new Pump(new Cursor(conversation.log, at), this);
    this.#pace = new Pace(intervalMs, REAL_CLOCK, (events, behind) => this.#emit(events, behind));
  }

  /** Behind what was sent last. */
  get position(): Position {
    return this.#sent;
  }

  get wantsAll(): boolean {
    return this.#runs === undefined;
  }

  start(): void {
    this.#pump.start();
  }

  resume(): void {
    this.#hasRoom = true;
    this.#pump.resume();
  }

  stop(): void {
    this.#isOver = true;
    this.#pace.stop();
    this.#pump.stop();
  }

  /** It begins somewhere behind the feed's place, or has begun in front of it and that part is not wanted. */
  addRun(run: string): void {
    this.#runs?.add(run);
  }

  page(page: Page): Took {
    for (const { events, behind } of page.once(PARSED, parse)) {
      const wanted = this.#runs === undefined ? events : events.filter((event) => this.#isWanted(event));
      if (wanted.length === 0) continue;
      this.#pace.take(wanted, behind);
      if (this.#isOver) return 'done';
    }
    return this.#hasRoom ? 'more' : 'full';
  }

  gap({ reason, next }: Gap): Took {
    this.#pace.flush();
    this.#sent = next;
    return this.#outlet.gap(this, reason, next) ? 'more' : 'full';
  }

  caughtUp(): Took {
    this.#pace.caughtUp();
    this.#outlet.caughtUp?.(this);
    return this.#isOver ? 'done' : 'more';
  }

  failed(error: unknown): void {
    this.#outlet.failed(this, error);
  }

  #emit(events: readonly ConversationEvent[], behind: Position): void {
    if (this.#isOver) return;
    this.#sent = behind;
    this.#hasRoom = this.#outlet.events(this, events, behind);
    if (this.#runs === undefined) return;
    for (const event of events) {
      if (isEndEvent(event)) this.#runs.delete(event.run);
      // Taken back before it began: it never will.
      if (event.type === 'message_cancelled') this.#runs.delete(event.id);
    }
    if (this.#runs.size === 0) this.#outlet.over(this);
  }

  #isWanted(event: ConversationEvent): boolean {
    const run = runOf(event);
    return run !== undefined && this.#runs?.has(run) === true;
  }
}

/** The run that an event belongs to; that of a message has its id. */
function runOf(event: ConversationEvent): string | undefined {
  switch (event.type) {
    case 'run_started':
      return event.run.id;
    case 'message':
      return event.message.id;
    case 'message_edited':
    case 'message_cancelled':
      return event.id;
    case 'note':
    case 'changed':
      return undefined;
    default:
      return event.run;
  }
}

function parse(page: Page): readonly Parsed[] {
  const { epoch } = page.from;
  return page.entries.map((entry) => ({
    events: parseEntry(entry).events,
    behind: { epoch, place: entry.next, offset: entry.offset },
  }));
}
