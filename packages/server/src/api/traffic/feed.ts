// Feed of one session for a subscription of /ws/pty-traffic: a pump over its log. Turns entries into messages, one at a
// time, with back-pressure.

import {
  isOutput,
  type OutputKind,
  type Position,
  type PtyEvent,
  type TrafficMark,
  type TrafficServerMessage,
} from '@binnacle/protocol';
import { Cursor } from '../../cursor/cursor.ts';
import { PlainText } from '../../cursor/plain-text.ts';
import { type Gap, Pump, type Sink, type SinkResult } from '../../cursor/pump.ts';
import { incompleteBytes } from '../../cursor/text-decoder.ts';
import type { Entry, Page } from '../../log/log.ts';
import type { Session } from '../../sessions/session.ts';
import { entryBodyOf } from '../stream/selection.ts';
import { commandLineOf, LOCAL } from './filter.ts';
import { formatTextPosition, type IncompleteCharacter, type TextPosition } from './messages.ts';

/** Maximum bytes per text message: at most 65,536 characters, together with an incomplete character before the text. */
const TEXT_BYTES = 64 * 1024 - 3;
/** Maximum bytes per base64 message: 65,536 characters. */
const BASE64_BYTES = 48 * 1024;

const PREVIEW_CHARS = 500;
/** Maximum bytes examined for a preview: later bytes rarely contribute to its first characters. */
const PREVIEW_BYTES = 4 * PREVIEW_CHARS;

/**
 * Delay from the exit to the exit message while output is still open. Orphaned children could hold the output open for
 * ever.
 */
const LINGER_MS = 1000;

type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never;
/** A message without the id of the subscription. */
export type FeedMessage = WithoutId<Extract<TrafficServerMessage, { type: 'pty_event' | 'gap' }>>;

/** The parts of a connection that a feed needs. */
export interface TrafficFeedOutlet {
  hasRoom(): boolean;
  send(message: FeedMessage): void;
  /** Called when all output so far was sent: the feed gives up its slot and waits for more without a slot. */
  quiet(): void;
  /** Requests a slot for new output. False: no slot is free; `enter` is called later. */
  wake(): boolean;
  /** Called after `is_final` was sent. */
  over(): void;
  failed(error: unknown): void;
}

export interface FeedParts {
  readonly session: Session;
  readonly from: TextPosition;
  /** True if nothing about the session was sent before: the feed then begins with the command. */
  readonly isNew: boolean;
  readonly encoding: 'text' | 'base64';
  readonly outlet: TrafficFeedOutlet;
}

interface ProgramExit {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

type EventFields = Partial<PtyEvent> & Pick<PtyEvent, 'timestamp'>;

export class TrafficFeed implements Sink {
  readonly session: Session;
  readonly #outlet: TrafficFeedOutlet;
  readonly #encoding: 'text' | 'base64';
  readonly #pump: Pump;
  readonly #names: Pick<PtyEvent, 'session_id' | 'session' | 'source' | 'labels'>;
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  /** Incomplete character by stream. */
  readonly #incomplete: Map<OutputKind, IncompleteCharacter>;
  /** Messages to send, generated lazily, so that at most one page is buffered here. */
  readonly #waiting: Generator<FeedMessage>[] = [];
  /** Position after the last sent message. */
  #at: Position;
  #command: string;
  /** Preview of the output of the current emitted event; undefined before its first piece. */
  #preview: string | undefined;
  #exit: ProgramExit | undefined;
  #isExitSent = false;
  #lingering: NodeJS.Timeout | undefined;
  #isStarted = false;
  /** True while the feed has a slot: only feeds with a slot read their logs. */
  #hasSlot = true;
  #isQueued = false;
  #isCaughtUp = false;
  /** True after `is_final` was sent, or when the feed is no longer wanted. */
  #isOver = false;

  constructor({ session, from, isNew, encoding, outlet }: FeedParts) {
    this.session = session;
    this.#outlet = outlet;
    this.#encoding = encoding;
    this.#at = from.at;
    this.#incomplete = new Map(from.incomplete);
    const { info } = session;
    const { foreign } = info;
    this.#names = {
      session_id: foreign?.sessionId ?? session.id,
      session: session.id,
      source: foreign?.source ?? LOCAL,
      labels: foreign?.labels ?? {},
    };
    this.#command = commandLineOf(info);
    this.#pump = new Pump(new Cursor(session.log, from.at), this);
    this.#waiting.push(this.#opening(isNew));
  }

  /** Starts, or continues when there is room. */
  resume(): void {
    if (this.#isOver || !this.#hasSlot || this.#drain() !== 'more') return;
    if (!this.#isStarted) {
      this.#isStarted = true;
      this.#pump.start();
    } else if (this.#pump.isFull) this.#pump.resume();
    else {
      this.settle();
      this.#releaseSlot();
    }
  }

  /** Takes a free slot and continues. */
  enter(): void {
    this.#isQueued = false;
    this.#hasSlot = true;
    this.resume();
  }

  stop(): void {
    this.#isOver = true;
    this.#waiting.length = 0;
    clearTimeout(this.#lingering);
    this.#pump.stop();
  }

  /**
   * Ends the feed of a session that is no longer hosted. A log whose end was lost in a power failure never gets a
   * `closed`.
   */
  settle(): void {
    const isRead = this.#waiting.length === 0 && this.#at.place >= this.session.log.head.place;
    if (this.#isOver || !this.#isStarted || !isRead || this.session.isHosted) return;
    this.#waiting.push(this.#ending());
    if (this.#requestSlot()) this.#drain();
  }

  page(page: Page): SinkResult {
    this.#waiting.push(this.#pageNews(page));
    return this.#drain();
  }

  gap(gap: Gap): SinkResult {
    this.#waiting.push(this.#gapNews(gap));
    return this.#drain();
  }

  caughtUp(): SinkResult {
    if (!this.session.isHosted) this.#waiting.push(this.#ending());
    else if (this.#exit !== undefined) this.#lingering ??= setTimeout(() => this.#linger(), LINGER_MS);
    this.#isCaughtUp = true;
    const result = this.#drain();
    this.#releaseSlot();
    return result;
  }

  grew(): SinkResult {
    this.#isCaughtUp = false;
    return this.#requestSlot() ? 'more' : 'full';
  }

  failed(error: unknown): void {
    if (!this.#isOver) this.#outlet.failed(error);
  }

  #linger(): void {
    if (this.#isExitSent) return;
    this.#waiting.push(this.#exitNews());
    if (!this.#requestSlot()) return;
    this.#drain();
    this.#releaseSlot();
  }

  /** Gives up the slot, so that other feeds can use it. */
  #releaseSlot(): void {
    if (this.#isOver || !this.#hasSlot || !this.#isCaughtUp || this.#waiting.length > 0) return;
    this.#hasSlot = false;
    this.#outlet.quiet();
  }

  #requestSlot(): boolean {
    if (this.#hasSlot) return true;
    if (this.#isQueued) return false;
    this.#hasSlot = this.#outlet.wake();
    this.#isQueued = !this.#hasSlot;
    return this.#hasSlot;
  }

  #drain(): SinkResult {
    for (let news = this.#waiting[0]; news !== undefined; news = this.#waiting[0]) {
      if (!this.#outlet.hasRoom()) return 'full';
      const { done, value } = news.next();
      if (done === true) this.#waiting.shift();
      else this.#outlet.send(value);
      if (this.#isOver) return 'done';
    }
    return this.#outlet.hasRoom() ? 'more' : 'full';
  }

  *#opening(isNew: boolean): Generator<FeedMessage> {
    if (this.#encoding === 'base64') {
      // The feed before the resume sent text and had not sent these bytes.
      for (const [kind, { offset, bytes }] of [...this.#incomplete]) {
        this.#incomplete.delete(kind);
        yield this.#event({ ...base64(kind, bytes), offset, timestamp: Date.now() });
      }
    }
    if (!isNew) return;
    const command = this.#command;
    const opening = command === '' ? {} : { command, command_preview: previewOf(command) };
    yield this.#event({ ...opening, timestamp: this.session.record.createdAt });
  }

  *#pageNews(page: Page): Generator<FeedMessage> {
    for (const [i, entry] of page.entries.entries()) {
      const { kind, bytes, offset, next: place, time } = entry;
      if (isOutput(kind)) {
        yield* this.#exitNews();
        const step = this.#encoding === 'text' ? TEXT_BYTES : BASE64_BYTES;
        for (let from = 0; from < bytes.length; from += step) {
          const piece = bytes.subarray(from, from + step);
          const isLast = from + step >= bytes.length;
          // Inside an entry the place is the start of the entry: a reader skips from there to the offset.
          this.#at = {
            ...this.#at,
            place: isLast ? place : this.#at.place,
            offset: offset + from + piece.length,
          };
          const body =
            this.#encoding === 'text'
              ? this.#text(kind, piece, offset + from)
              : { ...base64(kind, piece), offset: offset + from };
          if (body === undefined) continue;
          const shown = body.response ?? piece;
          yield this.#event({ ...body, ...this.#previewOf(shown, page.entries, i + 1), timestamp: time });
        }
        continue;
      }
      this.#at = { ...this.#at, place, offset };
      if (kind === 'exit') this.#exit = entryBodyOf(entry) as ProgramExit;
      else if (kind === 'event') yield* this.#markNews(entryBodyOf(entry) as Partial<TrafficMark>, time);
      else if (kind === 'closed') {
        yield* this.#ending(time);
        return;
      }
    }
  }

  /** Generates the message for the fields of an emitted event except output: the event's output precedes its mark. */
  *#markNews({ traffic }: Partial<TrafficMark>, time: number): Generator<FeedMessage> {
    if (traffic === undefined) return;
    const { command, command_preview, response_preview, exit_code, signal, lost_bytes, is_final, bytes, at } = traffic;
    const sentPreview = this.#preview;
    this.#preview = undefined;
    const news: Partial<PtyEvent> = {
      ...(command === undefined || command === this.#command
        ? {}
        : { command, command_preview: command_preview ?? previewOf(command) }),
      ...(command === undefined && command_preview !== undefined ? { command_preview } : {}),
      // Sent if the output went out before the emitter's preview could be read, or if there was no output.
      ...(response_preview === undefined || response_preview === sentPreview ? {} : { response_preview }),
      // Sent with `is_final` at the end.
      ...(exit_code === undefined || is_final === true ? {} : { exit_code }),
      ...(signal === undefined || is_final === true ? {} : { signal }),
      ...(lost_bytes === undefined ? {} : { lost_bytes }),
    };
    this.#command = command ?? this.#command;
    if (Object.keys(news).length === 0) return;
    yield this.#event({ ...news, offset: this.#at.offset - bytes, timestamp: at ?? time });
  }

  /**
   * Returns the preview for the first piece of an event's output: the emitter's preview, or the beginning of the piece.
   */
  #previewOf(output: string | Uint8Array, entries: readonly Entry[], behind: number): Partial<PtyEvent> {
    if (this.#preview !== undefined) return {};
    const response_preview = emittedPreview(entries, behind) ?? previewOf(plainText(output));
    // Output of local sessions has no events: each piece has its own preview.
    if (this.#names.source !== LOCAL) this.#preview = response_preview;
    return { response_preview };
  }

  *#gapNews({ from, to, next }: Gap): Generator<FeedMessage> {
    // Bytes after a gap do not complete a character before the gap.
    yield* this.#rest(Date.now());
    this.#at = next;
    const { session_id, session } = this.#names;
    yield { type: 'gap', session_id, session, from, to, position: this.#position };
  }

  /** Generates the exit message for a program that has exited while orphaned children hold its output open. */
  *#exitNews(): Generator<FeedMessage> {
    if (this.#exit === undefined || this.#isExitSent) return;
    this.#isExitSent = true;
    const { exitCode, signal } = this.#exit;
    yield this.#event({ exit_code: exitCode, signal, timestamp: Date.now() });
  }

  *#ending(timestamp = this.session.record.exitedAt ?? Date.now()): Generator<FeedMessage> {
    // At the final end an incomplete character is invalid and is flushed.
    yield* this.#rest(timestamp);
    const { exitCode, signal } = this.#exit ?? this.session.record;
    yield this.#event({ exit_code: exitCode, signal, is_final: true, timestamp });
    this.stop();
    this.#outlet.over();
  }

  *#rest(timestamp: number): Generator<FeedMessage> {
    for (const [kind, { offset, bytes }] of [...this.#incomplete]) {
      this.#incomplete.delete(kind);
      yield this.#event({ response: this.#decoder.decode(bytes), stream: kind, offset, timestamp });
    }
  }

  #text(kind: OutputKind, bytes: Uint8Array, offset: number): Partial<PtyEvent> | undefined {
    const before = this.#incomplete.get(kind);
    const all = before === undefined ? bytes : Buffer.concat([before.bytes, bytes]);
    const begin = before?.offset ?? offset;
    const open = incompleteBytes(all);
    if (open === 0) this.#incomplete.delete(kind);
    else {
      const openAt = open > bytes.length ? begin : offset + bytes.length - open;
      this.#incomplete.set(kind, { offset: openAt, bytes: Uint8Array.from(all.subarray(all.length - open)) });
    }
    const response = this.#decoder.decode(all.subarray(0, all.length - open));
    return response === '' ? undefined : { response, stream: kind, offset: begin };
  }

  get #position(): string {
    return formatTextPosition(this.#at, this.#incomplete);
  }

  #event(news: EventFields): FeedMessage {
    const event = { is_final: false, offset: this.#at.offset, ...news, ...this.#names, position: this.#position };
    return { type: 'pty_event', event };
  }
}

const base64 = (stream: OutputKind, bytes: Uint8Array) => ({
  response_base64: Buffer.from(bytes).toString('base64'),
  stream,
});

/** Returns the emitter's preview for this output: the mark of an event follows all of its output. */
function emittedPreview(entries: readonly Entry[], behind: number): string | undefined {
  const mark = entries.slice(behind).find(({ kind }) => !isOutput(kind));
  return mark?.kind === 'event' ? (entryBodyOf(mark) as Partial<TrafficMark>).traffic?.response_preview : undefined;
}

/** Returns output as a terminal would show it, without escape sequences. */
function plainText(output: string | Uint8Array): string {
  const plain = new PlainText();
  const bytes = typeof output === 'string' ? Buffer.from(output.slice(0, PREVIEW_BYTES)) : output;
  const pieces = [...plain.push(bytes.subarray(0, PREVIEW_BYTES)), ...plain.flush()];
  return pieces.map(({ text }) => text).join('');
}

/** Truncates to the preview length, without half a surrogate pair at the end. */
const previewOf = (text: string): string => text.slice(0, PREVIEW_CHARS).replace(/[\ud800-\udbff]$/, '');
