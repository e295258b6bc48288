// The lines of a session as a log shows them: from chunks, each stream for itself, the latest so many. Knows no React.

import type { OutputKind } from '@binnacle/protocol';
import type { GapEvent } from '../../session/attachment.ts';
import { TextReader } from '../../session/text.ts';
import type { Chunk, ChunkList } from './chunks.ts';
import { type PlainLine, PlainText } from './plain-text.ts';

/** A line of plain text. */
export interface LogLine {
  /** Number of the line, from 0 at the first line that was read. */
  readonly number: number;
  /** Stream of the line. `notice`: not output of the program, but a report that output is missing here. */
  readonly kind: OutputKind | 'notice';
  /** Text without control characters. */
  readonly text: string;
  /** Whether the line goes on in the next line of its kind, because it was too long. */
  readonly isCut: boolean;
}

interface LineStream {
  readonly plain: PlainText;
  /** Number of the line that is not complete; undefined: there is none. */
  open: number | undefined;
}

/** Makes lines from chunks, each stream apart, and drops the oldest beyond its limit. */
export class LogLines {
  readonly #maxLines: number;
  readonly #streams = new Map<OutputKind, LineStream>();
  #reader = new TextReader();
  #lines: LogLine[] = [];
  /** Number of the first stored line. */
  #first = 0;
  #next = 0;
  #isNew = false;
  #shown: readonly LogLine[] = [];

  constructor(maxLines: number) {
    this.#maxLines = maxLines;
  }

  /** Reads what a list has beyond those that were read before. */
  read(list: ChunkList): void {
    if (list.first > this.#next && this.#next > 0) this.#miss('Output came faster than it could be shown.');
    for (const chunk of list.from(this.#next)) this.#add(chunk);
    this.#next = list.end;
  }

  /** The same array while there is nothing new. */
  list(): readonly LogLine[] {
    if (this.#isNew) this.#shown = [...this.#lines];
    this.#isNew = false;
    return this.#shown;
  }

  #add(chunk: Chunk): void {
    if (chunk.type === 'gap') this.#miss(gapText(chunk));
    if (chunk.type !== 'output') return;
    const stream = this.#stream(chunk.kind);
    const done = stream.plain.write(this.#reader.read(chunk.kind, chunk.bytes));
    for (const line of done) this.#complete(stream, chunk.kind, line);
    // At most as much as can be kept: a flood of empty lines is one chunk.
    this.#bound();
    this.#isNew = true;
    const { open } = stream.plain;
    if (open !== '') stream.open = this.#put(stream.open, { kind: chunk.kind, text: open, isCut: false });
    // Erased again.
    else if (stream.open !== undefined) this.#put(stream.open, { kind: chunk.kind, text: '', isCut: false });
    this.#bound();
  }

  #miss(text: string): void {
    this.#reader = new TextReader();
    for (const [kind, stream] of this.#streams)
      for (const line of stream.plain.cut()) this.#complete(stream, kind, line);
    this.#put(undefined, { kind: 'notice', text, isCut: false });
    this.#isNew = true;
    this.#bound();
  }

  #complete(stream: LineStream, kind: OutputKind, { text, isCut }: PlainLine): void {
    this.#put(stream.open, { kind, text, isCut });
    stream.open = undefined;
  }

  /** In the place of an open line, or as a new one. Returns its number. */
  #put(open: number | undefined, line: Omit<LogLine, 'number'>): number {
    if (open !== undefined && open >= this.#first) {
      this.#lines[open - this.#first] = { ...line, number: open };
      return open;
    }
    const number = this.#first + this.#lines.length;
    this.#lines.push({ ...line, number });
    return number;
  }

  #bound(): void {
    const tooMany = this.#lines.length - this.#maxLines;
    if (tooMany <= 0) return;
    this.#lines = this.#lines.slice(tooMany);
    this.#first += tooMany;
  }

  #stream(kind: OutputKind): LineStream {
    const known = this.#streams.get(kind);
    if (known !== undefined) return known;
    const stream: LineStream = { plain: new PlainText(), open: undefined };
    this.#streams.set(kind, stream);
    return stream;
  }
}

/** Returns lines as text, without notices. A line that was cut is one line again. */
export function textOfLines(lines: readonly LogLine[]): string {
  let text = '';
  for (const line of lines) if (line.kind !== 'notice') text += line.isCut ? line.text : `${line.text}\n`;
  return text;
}

/** `1 byte`, `512 bytes`, `12 KiB`, `3.4 MiB`. */
function bytesIn(count: number): string {
  if (count < 1024) return count === 1 ? '1 byte' : `${count} bytes`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let value = count / 1024;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

function gapText({ from, to, reason }: Pick<GapEvent, 'from' | 'to' | 'reason'>): string {
  const size = bytesIn(to - from);
  const are = to - from === 1 ? 'is' : 'are';
  return reason === 'retention'
    ? `${size} of output ${are} no longer kept.`
    : `${size} of output ${are} damaged and left out.`;
}
