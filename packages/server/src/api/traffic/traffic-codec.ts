// Codec of one session for a subscription of /ws/pty-traffic: entries as messages, one at a time.

import {
  defined,
  isOutput,
  type OutputKind,
  type Position,
  type PtyEvent,
  type TrafficMark,
  type TrafficServerMessage,
} from '@binnacle/protocol';
import { PlainText } from '../../cursor/plain-text.ts';
import type { Gap } from '../../cursor/pump.ts';
import { incompleteBytes } from '../../cursor/text-decoder.ts';
import type { Entry, Page } from '../../log/log.ts';
import type { Session } from '../../sessions/session.ts';
import type { Codec } from '../stream/log-stream.ts';
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

type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never;
/** A message without the id of the subscription. */
export type FeedMessage = WithoutId<Extract<TrafficServerMessage, { type: 'pty_event' | 'gap' }>>;

export interface TrafficCodecParts {
  readonly session: Session;
  readonly from: TextPosition;
  /** True if nothing about the session was sent before: the first message then has the command. */
  readonly isNew: boolean;
  readonly encoding: 'text' | 'base64';
  readonly outlet: { encode(message: FeedMessage): string };
}

interface ProgramExit {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

type EventFields = Partial<PtyEvent> & Pick<PtyEvent, 'timestamp'>;

export class TrafficCodec implements Codec {
  readonly isLazy = true;
  isOver = false;
  readonly #parts: TrafficCodecParts;
  readonly #names: Pick<PtyEvent, 'session_id' | 'session' | 'source' | 'labels'>;
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  /** Incomplete character by stream. */
  readonly #incomplete: Map<OutputKind, IncompleteCharacter>;
  /** Position after the last encoded message. */
  #at: Position;
  #command: string;
  /** Preview of the output of the current emitted event; undefined before its first piece. */
  #preview: string | undefined;
  #exit: ProgramExit | undefined;
  #isExitSent = false;
  /** Time of the `closed` entry. */
  #closedAt: number | undefined;

  constructor(parts: TrafficCodecParts) {
    const { session, from } = parts;
    this.#parts = parts;
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
  }

  /** Position after the last encoded message. */
  get position(): Position {
    return this.#at;
  }

  /** True if the exit of the program was read. */
  get hasExit(): boolean {
    return this.#exit !== undefined;
  }

  /** Generates the messages before the first entry. */
  *opening(): Generator<string> {
    const { isNew, encoding, session } = this.#parts;
    if (encoding === 'base64') {
      // The feed before the resume sent text and had not sent these bytes.
      for (const [kind, { offset, bytes }] of [...this.#incomplete]) {
        this.#incomplete.delete(kind);
        yield this.#event({ ...base64(kind, bytes), offset, timestamp: Date.now() });
      }
    }
    if (!isNew) return;
    const command = this.#command;
    const opening = command === '' ? {} : { command, command_preview: previewOf(command) };
    yield this.#event({ ...opening, timestamp: session.record.createdAt });
  }

  *page(page: Page): Generator<string> {
    const { encoding } = this.#parts;
    for (const [i, entry] of page.entries.entries()) {
      const { kind, bytes, offset, next: place, time } = entry;
      if (isOutput(kind)) {
        yield* this.exit();
        const step = encoding === 'text' ? TEXT_BYTES : BASE64_BYTES;
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
            encoding === 'text'
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
        this.#closedAt = time;
        this.isOver = true;
        return;
      }
    }
  }

  /** Generates the message for the fields of an emitted event except output: the event's output precedes its mark. */
  *#markNews({ traffic }: Partial<TrafficMark>, time: number): Generator<string> {
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
      ...defined({ lost_bytes }),
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

  *gap({ from, to, next }: Gap): Generator<string> {
    // Bytes after a gap do not complete a character before the gap.
    yield* this.#rest(Date.now());
    this.#at = next;
    const { session_id, session } = this.#names;
    yield this.#parts.outlet.encode({ type: 'gap', session_id, session, from, to, position: this.#position });
  }

  /** Generates the exit message for a program that has exited while orphaned children hold its output open. */
  *exit(): Generator<string> {
    if (this.#exit === undefined || this.#isExitSent) return;
    this.#isExitSent = true;
    const { exitCode, signal } = this.#exit;
    yield this.#event({ exit_code: exitCode, signal, timestamp: Date.now() });
  }

  caughtUp(): readonly [] {
    if (!this.#parts.session.isHosted) this.isOver = true;
    return [];
  }

  *ending(): Generator<string> {
    const { record } = this.#parts.session;
    const timestamp = this.#closedAt ?? record.exitedAt ?? Date.now();
    // At the final end an incomplete character is invalid and is flushed.
    yield* this.#rest(timestamp);
    const { exitCode, signal } = this.#exit ?? record;
    yield this.#event({ exit_code: exitCode, signal, is_final: true, timestamp });
  }

  *#rest(timestamp: number): Generator<string> {
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

  #event(news: EventFields): string {
    const event = { is_final: false, offset: this.#at.offset, ...news, ...this.#names, position: this.#position };
    return this.#parts.outlet.encode({ type: 'pty_event', event });
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
