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
import type { Gap } from '../../cursor/pump.ts';
import type { Page } from '../../log/log.ts';
import { type Codec, LogStream } from './log-stream.ts';
import type { Frame, Wire } from './wire.ts';

/** Format of the frames of a feed. */
export interface ConversationFormat {
  events(events: readonly ConversationEvent[], behind: Position): Frame;
  gap(reason: Gap['reason'], next: Position): Frame;
}

export interface ConversationFeedParts {
  readonly conversation: Conversation;
  readonly at: Position;
  /** Minimum interval between deltas, in ms; 0: each delta at once. */
  readonly intervalMs: number;
  /** Filter: only events of these runs; the feed ends behind the last of them. Default: everything, without an end. */
  readonly runs?: readonly string[];
  readonly format: ConversationFormat;
  readonly wire: Wire;
  /** Called when all events so far were sent. True: the feed ends here. Default: it goes on. */
  isLast?(): boolean;
  /** Called once: after the last frame, or with the error of reading. Not called after `stop`. */
  over(error?: unknown): void;
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

export class ConversationFeed implements Codec {
  readonly conversation: Conversation;
  isOver = false;
  readonly #parts: ConversationFeedParts;
  readonly #stream: LogStream;
  readonly #pace: EventPacer;
  /** Requested runs; undefined for everything. */
  readonly #runs: Set<string> | undefined;
  #sent: Position;

  constructor(parts: ConversationFeedParts) {
    const { conversation, at, intervalMs, runs, wire } = parts;
    this.conversation = conversation;
    this.#parts = parts;
    this.#runs = runs === undefined ? undefined : new Set(runs);
    this.#sent = at;
    this.#stream = new LogStream({
      ...{ log: conversation.log, at, codec: this, wire },
      over: (error) => {
        this.#pace.stop();
        parts.over(error);
      },
    });
    this.#pace = new EventPacer(intervalMs, PACE_CLOCK, (events, behind) => this.#emit(events, behind));
  }

  /** Position after the last sent event. */
  get position(): Position {
    return this.#sent;
  }

  start(): void {
    this.#stream.start();
  }

  resume(): void {
    this.#stream.resume();
  }

  stop(): void {
    this.isOver = true;
    this.#pace.stop();
    this.#stream.stop();
  }

  /** Adds a run to the filter. The run starts after the feed's position, or its earlier events are not wanted. */
  addRun(run: string): void {
    this.#runs?.add(run);
  }

  page(page: Page): readonly [] {
    for (const { events, behind } of page.once(PARSED, parse)) {
      const selected = this.#runs === undefined ? events : events.filter((event) => this.#isSelected(event));
      if (selected.length > 0) this.#pace.take(selected, behind);
      if (this.isOver) break;
    }
    return [];
  }

  gap({ reason, next }: Gap): readonly [Frame] {
    this.#pace.flush();
    this.#sent = next;
    return [this.#parts.format.gap(reason, next)];
  }

  caughtUp(): readonly [] {
    this.#pace.caughtUp();
    if (this.#parts.isLast?.() === true) this.isOver = true;
    return [];
  }

  ending(): readonly [] {
    return [];
  }

  #emit(events: readonly ConversationEvent[], behind: Position): void {
    if (this.isOver) return;
    this.#sent = behind;
    for (const event of events) {
      if (isEndEvent(event)) this.#runs?.delete(event.run);
      // A message cancelled before its run started: the run never starts.
      if (event.type === 'message_cancelled') this.#runs?.delete(event.id);
    }
    if (this.#runs?.size === 0) this.isOver = true;
    this.#stream.push([this.#parts.format.events(events, behind)]);
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
