// One session for one subscription of /ws/pty-traffic: a pump over its log, whose entries become messages, one at a time
// as there is room. Knows no socket and no filter.

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
import { type Gap, Pump, type Sink, type Took } from '../../cursor/pump.ts';
import { incompleteBytes } from '../../cursor/text-decoder.ts';
import type { Entry, Page } from '../../log/log.ts';
import type { Session } from '../../sessions/session.ts';
import { bodyOf } from '../stream/selection.ts';
import { commandOf, LOCAL } from './filter.ts';
import { formatTextPosition, type HeldBytes, type TextPosition } from './messages.ts';

/** With a character that waits in front of it, text of so many bytes has at most 65,536 characters. */
const TEXT_BYTES = 64 * 1024 - 3;
/** 65,536 characters of base64. */
const BASE64_BYTES = 48 * 1024;

const PREVIEW_CHARS = 500;
/** Bytes that are looked at for a preview: what stands behind them is seldom among its first characters. */
const PREVIEW_BYTES = 4 * PREVIEW_CHARS;

/** Children left behind may hold the output open for ever; a viewer hears of the exit this long after it. */
const LINGER_MS = 1000;

type Less<T> = T extends unknown ? Omit<T, 'id'> : never;
/** Without the id of the subscription. */
export type FeedMessage = Less<Extract<TrafficServerMessage, { type: 'pty_event' | 'gap' }>>;

/** What a feed needs of its connection. */
export interface FeedOutlet {
  hasRoom(): boolean;
  tell(message: FeedMessage): void;
  /** All that there is was told: it gives its place up, and waits for more without one. */
  quiet(): void;
  /** There is something to tell again. False: there is no place now; `enter` is called when there is. */
  wake(): boolean;
  /** `is_final` was told. */
  over(): void;
  failed(error: unknown): void;
}

export interface FeedParts {
  readonly session: Session;
  readonly from: TextPosition;
  /** Nothing was told of the session before: it begins with what runs. */
  readonly isNew: boolean;
  readonly encoding: 'text' | 'base64';
  readonly outlet: FeedOutlet;
}

interface Exit {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

type News = Partial<PtyEvent> & Pick<PtyEvent, 'timestamp'>;

export class TrafficFeed implements Sink {
  readonly session: Session;
  readonly #outlet: FeedOutlet;
  readonly #encoding: 'text' | 'base64';
  readonly #pump: Pump;
  readonly #names: Pick<PtyEvent, 'session_id' | 'session' | 'source' | 'labels'>;
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  /** By stream: the beginning of a character whose rest has not come. */
  readonly #held: Map<OutputKind, HeldBytes>;
  /** What was read and is still to be told. Made message by message, so that no more than a page waits here. */
  readonly #waiting: Generator<FeedMessage>[] = [];
  /** Behind what was told. */
  #at: Position;
  #command: string;
  /** Preview of the output of the emitted event that is being told; undefined before its first piece. */
  #preview: string | undefined;
  #exit: Exit | undefined;
  #isExitTold = false;
  #lingering: NodeJS.Timeout | undefined;
  #isStarted = false;
  /** Among those whose logs are read. */
  #hasPlace = true;
  #isInLine = false;
  #isCaughtUp = false;
  /** `is_final` was told, or is not wanted any more. */
  #isOver = false;

  constructor({ session, from, isNew, encoding, outlet }: FeedParts) {
    this.session = session;
    this.#outlet = outlet;
    this.#encoding = encoding;
    this.#at = from.at;
    this.#held = new Map(from.held);
    const { info } = session;
    const { foreign } = info;
    this.#names = {
      session_id: foreign?.sessionId ?? session.id,
      session: session.id,
      source: foreign?.source ?? LOCAL,
      labels: foreign?.labels ?? {},
    };
    this.#command = commandOf(info);
    this.#pump = new Pump(new Cursor(session.log, from.at), this);
    this.#waiting.push(this.#opening(isNew));
  }

  /** Begins, or goes on now that there is room. */
  resume(): void {
    if (this.#isOver || !this.#hasPlace || this.#drain() !== 'more') return;
    if (!this.#isStarted) {
      this.#isStarted = true;
      this.#pump.start();
    } else if (this.#pump.isFull) this.#pump.resume();
    else {
      this.settle();
      this.#giveWay();
    }
  }

  /** There is a place for it again. */
  enter(): void {
    this.#isInLine = false;
    this.#hasPlace = true;
    this.resume();
  }

  stop(): void {
    this.#isOver = true;
    this.#waiting.length = 0;
    clearTimeout(this.#lingering);
    this.#pump.stop();
  }

  /** Nobody hosts the session any more. A log whose end was lost with a power cut will not grow to say so. */
  settle(): void {
    const isRead = this.#waiting.length === 0 && this.#at.place >= this.session.log.head.place;
    if (this.#isOver || !this.#isStarted || !isRead || this.session.isHosted) return;
    this.#waiting.push(this.#ending());
    if (this.#come()) this.#drain();
  }

  page(page: Page): Took {
    this.#waiting.push(this.#pageNews(page));
    return this.#drain();
  }

  gap(gap: Gap): Took {
    this.#waiting.push(this.#gapNews(gap));
    return this.#drain();
  }

  caughtUp(): Took {
    if (!this.session.isHosted) this.#waiting.push(this.#ending());
    else if (this.#exit !== undefined) this.#lingering ??= setTimeout(() => this.#linger(), LINGER_MS);
    this.#isCaughtUp = true;
    const took = this.#drain();
    this.#giveWay();
    return took;
  }

  grew(): Took {
    this.#isCaughtUp = false;
    return this.#come() ? 'more' : 'full';
  }

  failed(error: unknown): void {
    if (!this.#isOver) this.#outlet.failed(error);
  }

  #linger(): void {
    if (this.#isExitTold) return;
    this.#waiting.push(this.#exitNews());
    if (!this.#come()) return;
    this.#drain();
    this.#giveWay();
  }

  /** Others may wait for the place. */
  #giveWay(): void {
    if (this.#isOver || !this.#hasPlace || !this.#isCaughtUp || this.#waiting.length > 0) return;
    this.#hasPlace = false;
    this.#outlet.quiet();
  }

  #come(): boolean {
    if (this.#hasPlace) return true;
    if (this.#isInLine) return false;
    this.#hasPlace = this.#outlet.wake();
    this.#isInLine = !this.#hasPlace;
    return this.#hasPlace;
  }

  #drain(): Took {
    for (let news = this.#waiting[0]; news !== undefined; news = this.#waiting[0]) {
      if (!this.#outlet.hasRoom()) return 'full';
      const { done, value } = news.next();
      if (done === true) this.#waiting.shift();
      else this.#outlet.tell(value);
      if (this.#isOver) return 'done';
    }
    return this.#outlet.hasRoom() ? 'more' : 'full';
  }

  *#opening(isNew: boolean): Generator<FeedMessage> {
    if (this.#encoding === 'base64') {
      // It went on as text so far; these bytes were not told.
      for (const [kind, { offset, bytes }] of [...this.#held]) {
        this.#held.delete(kind);
        yield this.#event({ ...base64(kind, bytes), offset, timestamp: Date.now() });
      }
    }
    if (!isNew) return;
    const command = this.#command;
    const told = command === '' ? {} : { command, command_preview: previewOf(command) };
    yield this.#event({ ...told, timestamp: this.session.record.createdAt });
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
          // Inside of an entry the place is the entry's own: reading there skips up to the offset.
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
      if (kind === 'exit') this.#exit = bodyOf(entry) as Exit;
      else if (kind === 'event') yield* this.#markNews(bodyOf(entry) as Partial<TrafficMark>, time);
      else if (kind === 'closed') {
        yield* this.#ending(time);
        return;
      }
    }
  }

  /** What an emitted event says besides its output, which stands before the mark. */
  *#markNews({ traffic }: Partial<TrafficMark>, time: number): Generator<FeedMessage> {
    if (traffic === undefined) return;
    const { command, command_preview, response_preview, exit_code, signal, lost_bytes, is_final, bytes, at } = traffic;
    const told = this.#preview;
    this.#preview = undefined;
    const news: Partial<PtyEvent> = {
      ...(command === undefined || command === this.#command
        ? {}
        : { command, command_preview: command_preview ?? previewOf(command) }),
      ...(command === undefined && command_preview !== undefined ? { command_preview } : {}),
      // Sent where the output was told before the emitter's preview could be read, or where there was no output.
      ...(response_preview === undefined || response_preview === told ? {} : { response_preview }),
      // At the end it goes with `is_final`.
      ...(exit_code === undefined || is_final === true ? {} : { exit_code }),
      ...(signal === undefined || is_final === true ? {} : { signal }),
      ...(lost_bytes === undefined ? {} : { lost_bytes }),
    };
    this.#command = command ?? this.#command;
    if (Object.keys(news).length === 0) return;
    yield this.#event({ ...news, offset: this.#at.offset - bytes, timestamp: at ?? time });
  }

  /** Previews the first piece of an event's output: the emitter's preview, else the beginning of the piece as text. */
  #previewOf(output: string | Uint8Array, entries: readonly Entry[], behind: number): Partial<PtyEvent> {
    if (this.#preview !== undefined) return {};
    const response_preview = givenPreview(entries, behind) ?? previewOf(plainText(output));
    // Output of sessions that run here comes without events: each piece has a preview of its own.
    if (this.#names.source !== LOCAL) this.#preview = response_preview;
    return { response_preview };
  }

  *#gapNews({ from, to, next }: Gap): Generator<FeedMessage> {
    // What stands behind a gap does not complete a character that stands before it.
    yield* this.#rest(Date.now());
    this.#at = next;
    const { session_id, session } = this.#names;
    yield { type: 'gap', session_id, session, from, to, position: this.#position };
  }

  /** It has exited, and what it left behind holds its output open. */
  *#exitNews(): Generator<FeedMessage> {
    if (this.#exit === undefined || this.#isExitTold) return;
    this.#isExitTold = true;
    const { exitCode, signal } = this.#exit;
    yield this.#event({ exit_code: exitCode, signal, timestamp: Date.now() });
  }

  *#ending(timestamp = this.session.record.exitedAt ?? Date.now()): Generator<FeedMessage> {
    // At the very end it is no character.
    yield* this.#rest(timestamp);
    const { exitCode, signal } = this.#exit ?? this.session.record;
    yield this.#event({ exit_code: exitCode, signal, is_final: true, timestamp });
    this.stop();
    this.#outlet.over();
  }

  *#rest(timestamp: number): Generator<FeedMessage> {
    for (const [kind, { offset, bytes }] of [...this.#held]) {
      this.#held.delete(kind);
      yield this.#event({ response: this.#decoder.decode(bytes), stream: kind, offset, timestamp });
    }
  }

  #text(kind: OutputKind, bytes: Uint8Array, offset: number): Partial<PtyEvent> | undefined {
    const before = this.#held.get(kind);
    const all = before === undefined ? bytes : Buffer.concat([before.bytes, bytes]);
    const begin = before?.offset ?? offset;
    const open = incompleteBytes(all);
    if (open === 0) this.#held.delete(kind);
    else {
      const openAt = open > bytes.length ? begin : offset + bytes.length - open;
      this.#held.set(kind, { offset: openAt, bytes: Uint8Array.from(all.subarray(all.length - open)) });
    }
    const response = this.#decoder.decode(all.subarray(0, all.length - open));
    return response === '' ? undefined : { response, stream: kind, offset: begin };
  }

  get #position(): string {
    return formatTextPosition(this.#at, this.#held);
  }

  #event(news: News): FeedMessage {
    const event = { is_final: false, offset: this.#at.offset, ...news, ...this.#names, position: this.#position };
    return { type: 'pty_event', event };
  }
}

const base64 = (stream: OutputKind, bytes: Uint8Array) => ({
  response_base64: Buffer.from(bytes).toString('base64'),
  stream,
});

/** Returns the preview that the emitter gave with this output: an event's mark stands behind all of its output. */
function givenPreview(entries: readonly Entry[], behind: number): string | undefined {
  const mark = entries.slice(behind).find(({ kind }) => !isOutput(kind));
  return mark?.kind === 'event' ? (bodyOf(mark) as Partial<TrafficMark>).traffic?.response_preview : undefined;
}

/** Returns output as a terminal would show it, without escape sequences. */
function plainText(output: string | Uint8Array): string {
  const plain = new PlainText();
  const bytes = typeof output === 'string' ? Buffer.from(output.slice(0, PREVIEW_BYTES)) : output;
  const pieces = [...plain.push(bytes.subarray(0, PREVIEW_BYTES)), ...plain.flush()];
  return pieces.map(({ text }) => text).join('');
}

/** No half of a character at its end. */
const previewOf = (text: string): string => text.slice(0, PREVIEW_CHARS).replace(/[\ud800-\udbff]$/, '');
