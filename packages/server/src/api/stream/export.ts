// An export over HTTP: a log from its beginning, in one form, as fast as it is taken. The only writer to its response.

import type { ServerResponse } from 'node:http';
import { isOutput, type Position } from '@binnacle/protocol';
import type { Turns } from '../../base/fair-scheduler.ts';
import { Cursor } from '../../cursor/cursor.ts';
import { type Gap, Pump, type Sink, type Took } from '../../cursor/pump.ts';
import type { Entry, LogReader, Page } from '../../log/log.ts';
import type { ExportWriter } from '../../recording/writer.ts';
import type { Liveness, Watched } from './liveness.ts';

const WRITE_CHARS = 64 * 1024;
/** So long one turn makes text of entries; one that is large can take longer. */
const TURN_MS = 5;
/** A stalled export costs a page and a socket. */
const PATIENCE_MS = 10 * 60_000;

export interface ExportParts {
  readonly log: LogReader;
  readonly writer: ExportWriter;
  readonly headers: Readonly<Record<string, string>>;
  /** Returns what the reader may see of an entry. */
  shown(entry: Entry): Entry;
  /** Default: the very beginning, so that what retention took is told as a gap. */
  readonly from?: Position;
  /** Output offset: what is before that byte. Default: all. */
  readonly until?: number;
  /** Go on at the head until nothing can follow. */
  readonly follow: boolean;
  /** Nothing will be added to what `log` knows of. */
  isOver(): boolean;
  readonly response: ServerResponse;
  readonly liveness: Liveness;
  /** Whose turns it takes: the text of all exports is made in these. */
  readonly turns: Turns;
  readonly by: string;
}

export interface Written {
  /** It costs no more than a viewer does: one that follows has come to the head, or it is over. */
  readonly reached: Promise<void>;
  /** The answer is complete or its reader is gone. */
  readonly over: Promise<void>;
}

/** Neither rejects. */
export function writeExport(parts: ExportParts): Written {
  const answer = new ExportAnswer(parts);
  answer.start();
  return answer;
}

class ExportAnswer implements Sink, Watched, Written {
  readonly reached: Promise<void>;
  readonly over: Promise<void>;
  readonly #parts: ExportParts;
  readonly #pump: Pump;
  readonly #unwatch: () => void;
  #reached: () => void = () => undefined;
  #over: () => void = () => undefined;
  #isDone = false;
  /** Nothing comes back on plain HTTP; TCP's keep-alive finds the dead. */
  readonly heardAt = undefined;
  #fullSince: number | undefined;
  /** Read, and not written yet; the last one first. */
  #left: Entry[] = [];

  constructor(parts: ExportParts) {
    this.#parts = parts;
    this.reached = new Promise((resolve) => {
      this.#reached = resolve;
    });
    this.over = new Promise((resolve) => {
      this.#over = resolve;
    });
    const { log, response, liveness, from = { epoch: log.epoch, place: 0, offset: 0 } } = parts;
    this.#pump = new Pump(new Cursor(log, from), this);
    this.#unwatch = liveness.watch(this);
    response.on('drain', () => {
      this.#fullSince = undefined;
      this.#goOn();
    });
    response.on('close', () => this.#end());
  }

  /** It cannot be resumed, and somebody may look through it page by page: a stall counts as one later. */
  get fullSince(): number | undefined {
    return this.#fullSince === undefined ? undefined : this.#fullSince + PATIENCE_MS;
  }

  start(): void {
    const { response, headers } = this.#parts;
    // Gone while the request was looked at: it will not be closed once more.
    if (response.destroyed) {
      this.#end();
      return;
    }
    response.writeHead(200, { ...headers, 'X-Accel-Buffering': 'no' });
    response.flushHeaders();
    this.#pump.start();
  }

  /** Its text is made later, in turns. */
  page(page: Page): Took {
    this.#left = [...page.entries].reverse();
    this.#goOn();
    return 'full';
  }

  #goOn(): void {
    if (this.#isDone || this.#fullSince !== undefined) return;
    this.#parts.turns.ask(this.#parts.by, () => this.#slice());
  }

  #slice(): void {
    if (this.#isDone || this.#fullSince !== undefined) return;
    try {
      this.#convert();
    } catch {
      // As with what cannot be read.
      this.failed();
    }
  }

  /** As many as there is time and room for. */
  #convert(): void {
    const { writer, shown, until = Number.POSITIVE_INFINITY } = this.#parts;
    const end = performance.now() + TURN_MS;
    let text = '';
    for (;;) {
      const entry = this.#left.pop();
      if (entry === undefined) break;
      if (entry.offset >= until) {
        this.#write(text);
        this.#finish(false);
        return;
      }
      text += writer.entry(shown(before(entry, until)));
      // An entry can be much larger than a page.
      if (text.length >= WRITE_CHARS || performance.now() >= end) break;
    }
    if (!this.#write(text)) return;
    if (this.#left.length > 0) this.#goOn();
    else this.#pump.resume();
  }

  gap(gap: Gap): Took {
    return this.#write(this.#parts.writer.gap(gap)) ? 'more' : 'full';
  }

  caughtUp(): Took {
    const isOver = this.#parts.isOver();
    const { log, until = Number.POSITIVE_INFINITY } = this.#parts;
    if (this.#parts.follow && !isOver && log.head.offset < until) {
      this.#reached();
      return 'more';
    }
    return this.#finish(isOver);
  }

  /** What was sent looks whole up to here: cutting it is the only honest end. */
  failed(): void {
    this.#parts.response.destroy();
  }

  ping(): void {}

  cut(): void {
    this.#parts.response.destroy();
  }

  #write(text: string): boolean {
    if (text === '') return this.#fullSince === undefined;
    if (this.#parts.response.write(text)) return true;
    this.#fullSince ??= performance.now();
    return false;
  }

  #finish(isOver: boolean): Took {
    this.#write(this.#parts.writer.end(isOver));
    this.#parts.response.end();
    this.#end();
    return 'done';
  }

  #end(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#unwatch();
    this.#pump.stop();
    this.#left = [];
    this.#reached();
    this.#over();
  }
}

/** What of it is before an offset. */
const before = (entry: Entry, until: number): Entry =>
  isOutput(entry.kind) && entry.offset + entry.bytes.length > until
    ? { ...entry, bytes: entry.bytes.subarray(0, until - entry.offset) }
    : entry;
