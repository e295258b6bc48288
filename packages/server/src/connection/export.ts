// An export over HTTP: a log from its beginning, in one form, as fast as it is taken. The only writer to its response.

import type { ServerResponse } from 'node:http';
import { Cursor } from '../cursor/cursor.ts';
import { type Gap, Pump, type Sink, type Took } from '../cursor/pump.ts';
import type { LogReader, Page } from '../log/log.ts';
import type { ExportWriter } from '../recording/writer.ts';
import type { Liveness, Watched } from './liveness.ts';

const WRITE_CHARS = 64 * 1024;
/** A stalled export costs a page and a socket. */
const PATIENCE_MS = 10 * 60_000;

export interface ExportParts {
  readonly log: LogReader;
  readonly writer: ExportWriter;
  readonly headers: Readonly<Record<string, string>>;
  /** Go on at the head until nothing can follow. */
  readonly follow: boolean;
  /** Nothing will be added to what `log` knows of. */
  isOver(): boolean;
  readonly response: ServerResponse;
  readonly liveness: Liveness;
}

/** Resolves when the answer is complete or its reader is gone. */
export const writeExport = (parts: ExportParts): Promise<void> =>
  new Promise((resolve) => new ExportAnswer(parts, resolve).start());

class ExportAnswer implements Sink, Watched {
  readonly #parts: ExportParts;
  readonly #pump: Pump;
  readonly #unwatch: () => void;
  readonly #resolve: () => void;
  #isDone = false;
  /** Nothing comes back on plain HTTP; TCP's keep-alive finds the dead. */
  readonly heardAt = undefined;
  #fullSince: number | undefined;

  constructor(parts: ExportParts, resolve: () => void) {
    this.#parts = parts;
    this.#resolve = resolve;
    const { log, response, liveness } = parts;
    // From the very beginning, so that what retention took is told as a gap.
    this.#pump = new Pump(new Cursor(log, { epoch: log.epoch, place: 0, offset: 0 }), this);
    this.#unwatch = liveness.watch(this);
    response.on('drain', () => {
      this.#fullSince = undefined;
      this.#pump.resume();
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

  page(page: Page): Took {
    const { writer } = this.#parts;
    let text = '';
    let hasRoom = true;
    for (const entry of page.entries) {
      text += writer.entry(entry);
      // An entry can be much larger than a page.
      if (text.length < WRITE_CHARS) continue;
      hasRoom = this.#write(text);
      text = '';
    }
    hasRoom = this.#write(text) && hasRoom;
    return hasRoom ? 'more' : 'full';
  }

  gap(gap: Gap): Took {
    return this.#write(this.#parts.writer.gap(gap)) ? 'more' : 'full';
  }

  caughtUp(): Took {
    const isOver = this.#parts.isOver();
    if (this.#parts.follow && !isOver) return 'more';
    this.#write(this.#parts.writer.end(isOver));
    this.#parts.response.end();
    this.#end();
    return 'done';
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

  #end(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#unwatch();
    this.#pump.stop();
    this.#resolve();
  }
}
