// Feed of one conversation for a connection, on any transport: a pump over its log, with throttled deltas.

import {
  type ConversationEvent,
  type ConversationRun,
  isEndEvent,
  type Position,
  type SendReceipt,
} from '@binnacle/protocol';
import type { Conversation } from '../../conversations/conversation.ts';
import { EventPacer, PACE_CLOCK } from '../../conversations/state/pace.ts';
import { parseEntry } from '../../conversations/state/transcript.ts';
import { Cursor } from '../../cursor/cursor.ts';
import { type Gap, Pump, type Sink, type SinkResult } from '../../cursor/pump.ts';
import type { Page } from '../../log/log.ts';

/** The parts of a connection that a feed needs. */
export interface ConversationFeedOutlet {
  /** Sends events. Returns false if the connection has no room for more now. */
  events(feed: ConversationFeed, events: readonly ConversationEvent[], behind: Position): boolean;
  gap(feed: ConversationFeed, reason: 'retention' | 'damaged', next: Position): boolean;
  failed(feed: ConversationFeed, error: unknown): void;
  /** Called when all requested runs have ended. */
  over(feed: ConversationFeed): void;
  /** Called when all events so far were read from the log and sent. */
  caughtUp?(feed: ConversationFeed): void;
}

export const conversationHead = ({ log }: Conversation): Position => ({ epoch: log.epoch, ...log.head });

/** Returns the run that a message belongs to: the message's own run, or the active run that received the message. */
export const runOfReceipt = (receipt: SendReceipt, conversation: Conversation): ConversationRun | null =>
  receipt.run ?? (receipt.message.state === 'cancelled' ? null : conversation.run);

const PARSED = Symbol('events of a page');
interface ParsedEntry {
  readonly events: readonly ConversationEvent[];
  readonly behind: Position;
}

export class ConversationFeed implements Sink {
  readonly conversation: Conversation;
  readonly #outlet: ConversationFeedOutlet;
  readonly #pump: Pump;
  readonly #pace: EventPacer;
  /** Requested runs; undefined for everything. */
  #runs: Set<string> | undefined;
  #sent: Position;
  #hasRoom = true;
  #isOver = false;

  constructor(parts: {
    readonly conversation: Conversation;
    readonly at: Position;
    readonly intervalMs: number;
    /** Filter: only events of these runs. Default: everything. */
    readonly runs?: readonly string[];
    readonly outlet: ConversationFeedOutlet;
  }) {
    const { conversation, at, intervalMs, runs, outlet } = parts;
    this.conversation = conversation;
    this.#outlet = outlet;
    this.#runs = runs === undefined ? undefined : new Set(runs);
    this.#sent = at;
    this.#pump = new Pump(new Cursor(conversation.log, at), this);
    this.#pace = new EventPacer(intervalMs, PACE_CLOCK, (events, behind) => this.#emit(events, behind));
  }

  /** Position after the last sent event. */
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

  /** Adds a run to the filter. The run starts after the feed's position, or its earlier events are not wanted. */
  addRun(run: string): void {
    this.#runs?.add(run);
  }

  page(page: Page): SinkResult {
    for (const { events, behind } of page.once(PARSED, parse)) {
      const selected = this.#runs === undefined ? events : events.filter((event) => this.#isSelected(event));
      if (selected.length === 0) continue;
      this.#pace.take(selected, behind);
      if (this.#isOver) return 'done';
    }
    return this.#hasRoom ? 'more' : 'full';
  }

  gap({ reason, next }: Gap): SinkResult {
    this.#pace.flush();
    this.#sent = next;
    return this.#outlet.gap(this, reason, next) ? 'more' : 'full';
  }

  caughtUp(): SinkResult {
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
      // A message cancelled before its run started: the run never starts.
      if (event.type === 'message_cancelled') this.#runs.delete(event.id);
    }
    if (this.#runs.size === 0) this.#outlet.over(this);
  }

  #isSelected(event: ConversationEvent): boolean {
    const run = runOf(event);
    return run !== undefined && this.#runs?.has(run) === true;
  }
}

/** Returns the run that an event belongs to. The run of a message has the message's id. */
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

function parse(page: Page): readonly ParsedEntry[] {
  const { epoch } = page.from;
  return page.entries.map((entry) => ({
    events: parseEntry(entry).events,
    behind: { epoch, place: entry.next, offset: entry.offset },
  }));
}
