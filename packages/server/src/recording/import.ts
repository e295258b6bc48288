// Imports recordings as sessions. The log of a recording, with its own times, is made in a directory aside and becomes
// a session when it is complete: a failed import, or a kill during one, leaves nothing behind.

import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import {
  BinnacleError,
  type EntryKind,
  type ImportCounts,
  isDiskFull,
  isSessionId,
  RECORDING_SOURCE,
  type SessionId,
} from '@binnacle/protocol';
import { uuidv7 } from 'uuidv7';
import type { Log } from '../base/logger.ts';
import { SegmentWriter } from '../log/segment-writer.ts';
import type { Session } from '../sessions/session.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { eventTexts } from './asciicast-lines.ts';
import { type CastEvent, CastReader, type EventBatch, type ReadHeader } from './asciicast-reader.ts';
import { oneLine } from './writer.ts';

/** Maximum parallel imports: each costs a descriptor or two, and up to a line in memory. */
const MAX_AT_ONCE = 4;
/** Maximum ms of parsing many small events before it yields to the event loop. */
const TURN_MS = 5;
/**
 * Maximum changes of size without output between them; beyond it only the last one counts. Each costs drawing a whole
 * screen.
 */
const MAX_SIZES = 100;
/** Maximum difference of clocks; a recording from a later day has a wrong one. */
const DAY_MS = 24 * 3600_000;

export interface RecordingsParts {
  readonly sessions: Sessions;
  /** Directory of imports under way; on the same file system as the sessions. */
  readonly dir: string;
  readonly segmentBytes: number;
  /** Maximum bytes of one file. */
  readonly maxBytes: number;
  readonly log: Log;
}

export interface ImportRequest {
  readonly user: string;
  /** Default: the title of the recording, or its command. */
  readonly name: string | undefined;
  /** Stores the recorded input, for all who may see the session. */
  readonly input: boolean;
  /** Called when all of the file has arrived. Throws if the import is no longer allowed. */
  check(): void;
}

export interface Imported {
  readonly session: Session;
  readonly counts: ImportCounts;
}

export class Recordings {
  readonly #parts: RecordingsParts;
  #underWay = 0;

  constructor(parts: RecordingsParts) {
    this.#parts = parts;
    mkdirSync(parts.dir, { recursive: true, mode: 0o700 });
    this.#recover();
  }

  get maxBytes(): number {
    return this.#parts.maxBytes;
  }

  /**
   * Imports a recording. Throws `bad_recording`, `body_too_large`, `too_many_imports`, `disk_full`, and the errors of
   * `chunks`.
   */
  async import(chunks: AsyncIterable<Uint8Array>, request: ImportRequest): Promise<Imported> {
    if (this.#underWay >= MAX_AT_ONCE) throw new BinnacleError('too_many_imports', { details: { limit: MAX_AT_ONCE } });
    this.#underWay += 1;
    const id = uuidv7() as SessionId;
    const aside = join(this.#parts.dir, id);
    try {
      mkdirSync(join(aside, 'session'), { recursive: true, mode: 0o700 });
      const { segmentBytes } = this.#parts;
      const writer = SegmentWriter.create(join(aside, 'session', 'log'), { segmentBytes });
      const draft = new Draft(writer, request.input);
      const reader = new CastReader();
      try {
        await this.#read(chunks, reader, draft);
        request.check();
        draft.finish();
      } finally {
        await writer.close();
      }
      const session = this.#takeOver(id, aside, draft, request);
      const { version, counts } = reader;
      return { session, counts: { version, ...counts, ...draft.counts, skipped: counts.skipped + draft.skipped } };
    } catch (error) {
      throw isDiskFull(error) ? BinnacleError.of(error) : error;
    } finally {
      this.#underWay -= 1;
      rmSync(aside, { recursive: true, force: true });
    }
  }

  async #read(chunks: AsyncIterable<Uint8Array>, reader: CastReader, draft: Draft): Promise<void> {
    const { maxBytes } = this.#parts;
    let bytes = 0;
    let turnBegan = performance.now();
    const take = async ({ header, events }: EventBatch): Promise<void> => {
      if (header !== undefined) draft.begin(header);
      for (const event of events) {
        draft.take(event);
        if (performance.now() - turnBegan < TURN_MS) continue;
        await yieldToEventLoop();
        turnBegan = performance.now();
      }
    };
    for await (const chunk of chunks) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw tooLarge(maxBytes);
      await take(reader.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)));
    }
    await take(reader.end());
  }

  #takeOver(id: SessionId, aside: string, draft: Draft, request: ImportRequest): Session {
    const { epoch, head, header, cols, rows, endedAt, exitCode } = draft;
    const { title, command } = header.recording;
    const name = request.name ?? (title || command || RECORDING_SOURCE);
    const row = {
      ...{ id, epoch, name: oneLine(name) || RECORDING_SOURCE },
      state: 'closed' as const,
      spec: {
        argv: command === undefined ? [] : [command],
        mode: 'pty' as const,
        cwd: '',
        envNames: [],
        takesRuns: false,
        ...{ cols, rows },
      },
      createdAt: draft.startedAt,
    };
    const foreign = {
      // No program emits into a recording: an emitter can only use session ids of its own.
      sessionId: `${RECORDING_SOURCE}:${id}`,
      source: RECORDING_SOURCE,
      labels: {},
      user: request.user,
      producer: null,
      heardAt: Date.now(),
    };
    // While `aside` exists, recovery removes a session of this id without a row.
    return this.#parts.sessions.foreign.addFinished(row, foreign, { exitedAt: endedAt, exitCode, head }, (dir) =>
      renameSync(join(aside, 'session'), dir),
    );
  }

  /** Removes the remains of imports during which the gateway was killed. */
  #recover(): void {
    const { dir, sessions, log } = this.#parts;
    for (const id of readdirSync(dir)) {
      if (isSessionId(id) && !sessions.knows(id)) rmSync(sessions.dirOf(id), { recursive: true, force: true });
      rmSync(join(dir, id), { recursive: true, force: true });
      log.warn({ session: id }, 'an import that did not come to its end was removed');
    }
  }
}

/** The unfinished log of one recording. */
class Draft {
  readonly #writer: SegmentWriter;
  readonly #withInput: boolean;
  #header: ReadHeader | undefined;
  #startedAt = 0;
  #at = 0;
  #size = { cols: 0, rows: 0 };
  #exit: { readonly time: number; readonly exitCode: number } | undefined;
  #events = 0;
  #inputDropped = 0;
  #skipped = 0;
  /** Number of sizes at the current offset, and whether the last one is still unwritten. */
  #sizes = { offset: 0, count: 0, isPending: false };

  constructor(writer: SegmentWriter, withInput: boolean) {
    this.#writer = writer;
    this.#withInput = withInput;
  }

  get epoch(): string {
    return this.#writer.epoch;
  }

  get head(): SegmentWriter['head'] {
    return this.#writer.head;
  }

  get header(): ReadHeader {
    if (this.#header === undefined) throw new BinnacleError('bad_recording', { message: 'It has no header.' });
    return this.#header;
  }

  get startedAt(): number {
    return this.#startedAt;
  }

  get endedAt(): number {
    return this.#startedAt + this.#at;
  }

  get exitCode(): number | null {
    return this.#exit?.exitCode ?? null;
  }

  get cols(): number {
    return this.#size.cols;
  }

  get rows(): number {
    return this.#size.rows;
  }

  get counts(): { readonly events: number; readonly inputDropped: number } {
    return { events: this.#events, inputDropped: this.#inputDropped };
  }

  /** Number of `exit` events that were skipped. */
  get skipped(): number {
    return this.#skipped;
  }

  begin(header: ReadHeader): void {
    this.#header = header;
    this.#startedAt = startOf(header, Date.now());
    const { cols, rows, recording } = header;
    this.#size = { cols, rows };
    this.#append('resize', { cols, rows });
    this.#append('event', recording);
  }

  take(event: CastEvent): void {
    this.#at = event.time;
    switch (event.code) {
      case 'o':
        for (const text of eventTexts(event.text)) this.#output(text);
        break;
      case 'i':
        if (!this.#withInput) {
          this.#inputDropped += 1;
          return;
        }
        for (const text of eventTexts(event.text)) {
          this.#append('input', { by: RECORDING_SOURCE, bytes: Buffer.byteLength(text), text });
        }
        break;
      case 'm':
        this.#append('event', { type: 'marker', label: event.text });
        break;
      case 'r':
        this.#size = { cols: event.cols, rows: event.rows };
        this.#resize();
        break;
      case 'x':
        if (this.#exit !== undefined) {
          this.#skipped += 1;
          return;
        }
        this.#exit = event;
    }
    this.#events += 1;
  }

  /** Writes the end. The exit comes last, wherever it was in the file. */
  finish(): void {
    void this.header;
    this.#settle();
    if (this.#exit !== undefined) this.#append('exit', { exitCode: this.#exit.exitCode, signal: null });
    this.#append('closed', { reason: 'eof' });
  }

  #output(text: string): void {
    if (text !== '') this.#settle();
    this.#append('tty', Buffer.from(text));
  }

  #resize(): void {
    const { offset } = this.head;
    const count = this.#sizes.offset === offset ? this.#sizes.count + 1 : 1;
    this.#sizes = { offset, count, isPending: count > MAX_SIZES };
    if (count <= MAX_SIZES) this.#append('resize', this.#size);
  }

  /** Writes the last size before the entry that follows. */
  #settle(): void {
    if (!this.#sizes.isPending) return;
    this.#sizes.isPending = false;
    this.#append('resize', this.#size);
  }

  #append(kind: EntryKind, body: Buffer | object): void {
    const bytes = Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
    this.#writer.append(kind, bytes, this.#startedAt + this.#at);
  }
}

/** Returns the start of the recording. Without a possible timestamp, the recording counts as made up to now. */
function startOf({ recording, duration = 0 }: ReadHeader, now: number): number {
  const statedAt = (recording.timestamp ?? 0) * 1000;
  return statedAt > 0 && statedAt < now + DAY_MS ? statedAt : Math.floor((now - duration) / 1000) * 1000;
}

export const tooLarge = (limitBytes: number): BinnacleError =>
  new BinnacleError('body_too_large', {
    message: `The recording is larger than ${limitBytes} bytes.`,
    hint: 'Raise serve --max-recording, or cut it.',
    details: { limitBytes },
  });
