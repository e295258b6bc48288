// Reads a part of a session's output as text, and can wait for more. Offsets count bytes as the log does, so that the
// next read continues exactly. Some output before the part is read as well, because an escape sequence or a character
// may begin there.

import { BinnacleError, isOutput, type OutputKind, type Position } from '@binnacle/protocol';
import { Cursor } from '../../cursor/cursor.ts';
import { PlainText } from '../../cursor/plain-text.ts';
import { type Gap, Pump, type Sink, type SinkResult } from '../../cursor/pump.ts';
import { positionOf } from '../../cursor/start-position.ts';
import { TextCutter } from '../../cursor/text-decoder.ts';
import type { Entry, Page } from '../../log/log.ts';
import type { Session } from '../../sessions/session.ts';
import type { SeenSessions } from '../../visibility/session-access.ts';
import type { Liveness } from './liveness.ts';
import type { Seeker } from './pattern.ts';
import { waitForExit, watchSession } from './wait.ts';

/** Maximum length of an escape sequence: a sequence that begins before the part is then recognized. */
const CONTEXT_BYTES = 64 * 1024;
/** Pause after which output counts as complete for now: a prompt, the end of a step. */
const QUIET_MS = 250;
/** Maximum wait for the rest of the output after the exit: orphaned children may hold it open for ever. */
const DRAIN_MS = 1000;
/** Unit of bytes dropped from the beginning of a sliding window. */
const SLICE = 4096;

/** Maximum characters of output in a progress message: one and a half terminal lines. */
const MAX_LINE_CHARS = 120;
/** Maximum pieces of output examined for that line: a program that writes single characters produces many. */
const MAX_LINE_PIECES = 32;

export interface ReadRequest {
  /** Output offset of the beginning. Default: the last `maxBytes` before the end. */
  readonly offset?: number | undefined;
  /** Maximum bytes of output. */
  readonly maxBytes: number;
  /** Maximum wait; 0 reads what there is. */
  readonly waitMs: number;
  /** Condition that ends the wait. `output`: some output, then a pause. */
  readonly waitsFor: 'output' | 'end' | Seeker;
  /** Removes escape sequences, and ends lines with a line feed. */
  readonly strip: boolean;
  /** Aborted when the caller is gone. */
  readonly signal: AbortSignal;
  /** Receives the state of the wait. */
  readonly progress?: { describe(maxMs: number, text: () => string): void };
}

export interface ReadAccess {
  readonly seen: SeenSessions;
  readonly liveness: Liveness;
}

export interface ReadAnswer {
  readonly text: string;
  readonly offset: number;
  readonly nextOffset: number;
  /** True if there is more output after the text, or before it when no offset was given. */
  readonly truncated: boolean;
  /** Output lost to retention. */
  readonly gap: { readonly from: number; readonly to: number } | null;
  /** Result of a wait for a pattern; null without a pattern. */
  readonly matched: boolean | null;
}

/**
 * Reads the text. Throws `offset_ahead`, `session_gone` when the session is deleted meanwhile, `session_not_found` when
 * the caller loses access, `going_away` when the gateway stops, and `log_damaged`.
 */
export async function readText(session: Session, request: ReadRequest, by: ReadAccess): Promise<ReadAnswer> {
  await session.refresh();
  if (request.waitMs > 0) request.progress?.describe(request.waitMs, () => describeOutput(session));
  if (request.offset === undefined && request.waitsFor === 'end' && request.waitMs > 0) {
    // Waits for the exit first: the end of the output is known only then, and nothing before it needs to be read.
    const begun = performance.now();
    await waitForExit(session, { ...by, signal: request.signal, timeoutMs: request.waitMs });
    const left = Math.max(1, request.waitMs - (performance.now() - begun));
    return await readPart(session, { ...request, waitMs: session.info.running ? 0 : left }, by);
  }
  return await readPart(session, request, by);
}

async function readPart(session: Session, request: ReadRequest, by: ReadAccess): Promise<ReadAnswer> {
  const { log } = session;
  const { head, oldest } = log;
  const from = request.offset ?? Math.max(oldest.offset, head.offset - request.maxBytes);
  // Located in any case, so that an offset ahead of the head is refused with the numbers.
  const requestedAt = await positionOf(log, { offset: from });
  const begin = Math.max(oldest.offset, from - CONTEXT_BYTES);
  const at = begin < from ? await positionOf(log, { offset: begin }) : requestedAt;
  const isCut = request.offset === undefined && from > oldest.offset;
  return await new Promise((resolve, reject) => {
    const reading = new TextReading(session, { request, at, from, isCut, resolve, reject });
    reading.watch(by);
    reading.start();
  });
}

interface ReadingParts {
  readonly request: ReadRequest;
  readonly at: Position;
  readonly from: number;
  readonly isCut: boolean;
  resolve(answer: ReadAnswer): void;
  reject(error: unknown): void;
}

class TextReading implements Sink {
  readonly #session: Session;
  readonly #parts: ReadingParts;
  readonly #pump: Pump;
  readonly #lines = new PlainTextStreams();
  readonly #characters = new TextCutter();
  readonly #release: (() => void)[] = [];
  #from: number;
  #next: number;
  #remainingBytes: number;
  readonly #pieces: { readonly offset: number; readonly bytes: number; readonly text: string }[] = [];
  /** Bytes of output in the pieces. */
  #bufferedBytes = 0;
  #isCut: boolean;
  #gap: ReadAnswer['gap'] = null;
  #unsearched = '';
  #matched = false;
  #quiet: NodeJS.Timeout | undefined;
  #drain: NodeJS.Timeout | undefined;
  /** True if all output so far was read. */
  #isAtHead = false;
  /** True if no output can follow. */
  #isEnded = false;
  #isOver = false;

  constructor(session: Session, parts: ReadingParts) {
    this.#session = session;
    this.#parts = parts;
    this.#from = parts.from;
    this.#next = parts.from;
    this.#isCut = parts.isCut;
    this.#remainingBytes = this.#isSliding ? Number.POSITIVE_INFINITY : parts.request.maxBytes;
    this.#pump = new Pump(new Cursor(session.log, parts.at), this);
  }

  watch(by: ReadAccess): void {
    const { waitMs, signal } = this.#parts.request;
    const finish = (): void => void this.#finish();
    if (waitMs > 0) {
      const timer = setTimeout(finish, waitMs);
      this.#release.push(() => clearTimeout(timer));
    }
    signal.addEventListener('abort', finish);
    this.#release.push(
      () => signal.removeEventListener('abort', finish),
      this.#session.listen({
        // Ends the wait when nothing would wake the pump: the runner has died, or orphaned children hold the output
        // open silently and the exit was read before this notification.
        changed: (session) => {
          if (!session.isHosted) this.#startPause();
          else if (!session.info.running && this.#isAtHead) this.#startDrain();
        },
      }),
      ...watchSession(this.#session, by, (why) => this.failed(why)),
    );
  }

  start(): void {
    const { progress, waitMs } = this.#parts.request;
    if (waitMs > 0) progress?.describe(waitMs, () => `${describeOutput(this.#session)}${this.#lastLine()}`);
    if (this.#parts.request.signal.aborted) this.#finish();
    else this.#pump.start();
  }

  page(page: Page): SinkResult {
    this.#isAtHead = false;
    for (const entry of page.entries) {
      if (isOutput(entry.kind)) this.#output(entry.kind, entry);
      else if (entry.kind === 'closed') return this.#end();
      if (this.#remainingBytes <= 0) break;
    }
    if (this.#seeker !== undefined) {
      this.#seek(this.#seeker);
      return 'full';
    }
    return this.#remainingBytes <= 0 ? this.#finish() : 'more';
  }

  gap({ from, to, reason, next }: Gap): SinkResult {
    if (to <= this.#from) return 'more';
    if (reason === 'damaged') {
      this.failed(new BinnacleError('log_damaged', { details: { from, to } }));
      return 'done';
    }
    // The text before the gap is complete; the text after the gap belongs to the next call.
    if (this.#bufferedBytes > 0) return this.#finish();
    this.#gap = { from: Math.max(from, this.#from), to };
    this.#from = next.offset;
    this.#next = next.offset;
    return 'more';
  }

  caughtUp(): SinkResult {
    const { waitMs, waitsFor } = this.#parts.request;
    if (!this.#session.isHosted) return this.#end();
    // A prompt has no line end.
    if (this.#seeker?.isFoundAtEnd === true) {
      this.#matched = true;
      return this.#finish();
    }
    if (waitMs === 0) return this.#finish();
    this.#isAtHead = true;
    if (!this.#session.info.running) this.#startDrain();
    else if (waitsFor === 'output' && this.#next > this.#from) this.#startPause();
    return 'more';
  }

  failed(error: unknown): void {
    if (this.#isOver) return;
    this.#stop();
    this.#parts.reject(error);
  }

  /** True for a sliding window: a match may come late, so only the end of the output read so far is kept. */
  get #isSliding(): boolean {
    const { offset, waitsFor } = this.#parts.request;
    return offset === undefined && typeof waitsFor !== 'string';
  }

  get #seeker(): Seeker | undefined {
    const { waitsFor } = this.#parts.request;
    return typeof waitsFor === 'string' ? undefined : waitsFor;
  }

  #output(kind: OutputKind, { bytes, offset }: Entry): void {
    clearTimeout(this.#quiet);
    const before = Math.min(bytes.length, Math.max(0, this.#from - offset));
    if (before > 0) this.#decode(kind, bytes.subarray(0, before));
    const shown = bytes.subarray(before, before + this.#remainingBytes);
    if (shown.length === 0) return;
    const step = this.#isSliding ? SLICE : shown.length;
    for (let at = 0; at < shown.length; at += step) {
      const slice = shown.subarray(at, at + step);
      this.#add(offset + before + at, slice.length, this.#decode(kind, slice));
    }
    this.#remainingBytes -= shown.length;
    this.#next = offset + before + shown.length;
  }

  /**
   * Returns the last line of output for the progress message; nothing for unstripped text, which may contain escape
   * sequences.
   */
  #lastLine(): string {
    if (!this.#parts.request.strip) return '';
    const text = this.#pieces
      .slice(-MAX_LINE_PIECES)
      .map((piece) => piece.text)
      .join('');
    const line = text.trimEnd().split('\n').at(-1)?.slice(-MAX_LINE_CHARS).trim() ?? '';
    return line === '' ? '' : `; last line: ${line}`;
  }

  #decode(kind: OutputKind, bytes: Uint8Array): string {
    return this.#parts.request.strip ? this.#lines.of(kind, bytes) : this.#characters.cut(kind, bytes).text;
  }

  #add(offset: number, bytes: number, text: string): void {
    this.#pieces.push({ offset, bytes, text });
    this.#bufferedBytes += bytes;
    if (this.#seeker !== undefined) this.#unsearched += text;
    while (this.#isSliding && this.#bufferedBytes > this.#parts.request.maxBytes) {
      this.#bufferedBytes -= this.#pieces.shift()?.bytes ?? 0;
      this.#from = this.#pieces[0]?.offset ?? offset + bytes;
      this.#isCut = true;
    }
  }

  /** Searches in scheduled slots, so that a fast program cannot starve others; the pump is stopped meanwhile. */
  #seek(seeker: Seeker): void {
    const text = this.#unsearched;
    this.#unsearched = '';
    const isAll = (): boolean =>
      this.#isEnded || this.#remainingBytes <= 0 || this.#next >= this.#session.log.head.offset;
    seeker.feed(text, this.#parts.request.signal, isAll).then(
      (found) => {
        if (this.#isOver) return;
        this.#matched = found;
        if (found || this.#isEnded || this.#remainingBytes <= 0) this.#finish();
        else this.#pump.resume();
      },
      (error: unknown) => this.failed(error),
    );
  }

  /** Starts once: output that continues after the exit does not delay the result. */
  #startDrain(): void {
    if (!this.#isOver) this.#drain ??= setTimeout(() => this.#finish(), DRAIN_MS);
  }

  #startPause(): void {
    clearTimeout(this.#quiet);
    if (!this.#isOver) this.#quiet = setTimeout(() => this.#finish(), QUIET_MS);
  }

  /** Ends the reading: incomplete characters are flushed as invalid. */
  #end(): SinkResult {
    for (const kind of ['tty', 'stdout', 'stderr'] as const) {
      this.#add(this.#next, 0, this.#parts.request.strip ? this.#lines.flush(kind) : this.#characters.flush(kind));
    }
    const seeker = this.#seeker;
    if (seeker === undefined) return this.#finish();
    this.#isEnded = true;
    this.#seek(seeker);
    return 'full';
  }

  #finish(): SinkResult {
    if (this.#isOver) return 'done';
    this.#stop();
    this.#parts.resolve({
      text: this.#pieces.map(({ text }) => text).join(''),
      offset: this.#from,
      nextOffset: this.#next,
      truncated: this.#isCut || this.#next < this.#session.log.head.offset,
      gap: this.#gap,
      matched: this.#seeker === undefined ? null : this.#matched,
    });
    return 'done';
  }

  #stop(): void {
    this.#isOver = true;
    clearTimeout(this.#quiet);
    clearTimeout(this.#drain);
    for (const undo of this.#release.splice(0)) undo();
    this.#pump.stop();
  }
}

/** Plain text per stream: escape sequences and characters do not cross streams. */
class PlainTextStreams {
  readonly #of = new Map<OutputKind, PlainText>();

  of(kind: OutputKind, bytes: Uint8Array): string {
    let plain = this.#of.get(kind);
    if (plain === undefined) {
      plain = new PlainText();
      this.#of.set(kind, plain);
    }
    return joinText(plain.push(bytes));
  }

  flush(kind: OutputKind): string {
    return joinText(this.#of.get(kind)?.flush() ?? []);
  }
}

const describeOutput = ({ info }: Session): string => `${info.outputOffset} bytes of output`;

const joinText = (pieces: readonly { readonly text: string }[]): string => pieces.map(({ text }) => text).join('');
