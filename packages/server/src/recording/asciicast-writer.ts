// Exports a session's log as asciicast, version 3 or 2: output unchanged, sizes, markers at runs and gaps, and the exit
// after everything.

import { constants } from 'node:os';
import type { EntryData, OutputKind, RecordingEvent, RunInfo, TrafficMark } from '@binnacle/protocol';
import { commandOf, DEFAULT_SIZE, defined, isOutput } from '@binnacle/protocol';
import type { Gap } from '../cursor/pump.ts';
import { TextCutter } from '../cursor/text-decoder.ts';
import type { Entry } from '../log/log.ts';
import {
  CastClock,
  type CastCode,
  type CastHeader,
  type CastVersion,
  eventTexts,
  headerLine,
  MAX_COMMAND_CHARS,
} from './asciicast-lines.ts';
import { type ExportWriter, entryBody, gapText, oneLine, type RecordedSession } from './writer.ts';

export interface CastOptions {
  /** Includes input. */
  readonly input: boolean;
  /** Maximum idle time of a player, in seconds. */
  readonly idleLimit?: number;
  /** Default 3. */
  readonly version?: CastVersion;
}

type Recording = Extract<RecordingEvent, { type: 'recording' }>;
type Size = EntryData['resize'];

const KINDS: readonly OutputKind[] = ['tty', 'stdout', 'stderr'];

const END_NOBODY_SAW: Readonly<Partial<Record<EntryData['closed']['reason'], string>>> = {
  lost: 'nobody saw the end: its runner or emitter was lost',
  copied: 'the copy of the log ends here: the program went on in the original',
};

export class CastWriter implements ExportWriter {
  readonly #session: RecordedSession;
  readonly #options: CastOptions;
  readonly #text = new TextCutter();
  /** Set once the header is written. */
  #clock: CastClock | undefined;
  #size: Size | undefined;
  #recording: Recording | undefined;
  /** Gaps before the first entry, which have no time of their own. */
  readonly #early: string[] = [];
  #isWhole = true;
  #lastTime = 0;
  /** True if output without a terminal ended in a CR. */
  #afterCr = false;
  #exit: { readonly time: number; readonly code: number } | undefined;

  constructor(session: RecordedSession, options: CastOptions) {
    this.#session = session;
    this.#options = options;
  }

  entry(entry: Entry): string {
    if (this.#clock === undefined && this.#isPreamble(entry)) return '';
    const begin = this.#begin(entry.time);
    this.#lastTime = entry.time;
    return begin + this.#body(entry);
  }

  gap(gap: Pick<Gap, 'from' | 'to' | 'reason'>): string {
    const label = gapText(gap);
    this.#isWhole = false;
    if (this.#clock !== undefined) return this.#flush() + this.#event('m', label);
    this.#early.push(label);
    return '';
  }

  end(isOver: boolean): string {
    let text = this.#begin(this.#session.createdAt);
    // At the very end, waiting bytes are no character. Before it the rest may come.
    if (isOver) text += this.#flush();
    if (isOver && this.#exit !== undefined) {
      this.#lastTime = this.#exit.time;
      const { code } = this.#exit;
      // Version 2 has no exit event, and its players ignore unknown events.
      text += this.#options.version === 2 ? this.#event('m', `exit code ${code}`) : this.#event('x', String(code));
    }
    return text;
  }

  /** Takes an entry that belongs into the header. Returns false for any other entry. */
  #isPreamble(entry: Entry): boolean {
    if (entry.kind === 'resize' && this.#size === undefined && this.#isWhole) {
      this.#size = entryBody<Size>(entry) as Size;
      this.#lastTime = entry.time;
      return true;
    }
    if (entry.kind !== 'event') return false;
    const body = entryBody<Recording>(entry);
    if (body.type !== 'recording') return false;
    this.#recording = body as Recording;
    this.#lastTime = entry.time;
    return true;
  }

  #begin(time: number): string {
    if (this.#clock !== undefined) return '';
    const { createdAt, cols, rows, mode, foreign } = this.#session;
    // An emitter may report the size late: earlier output was shown in this size.
    const first = this.#size ?? (foreign !== null && this.#isWhole ? DEFAULT_SIZE : { cols, rows });
    // Time before the oldest retained entry is not part of the recording.
    const startedAt = this.#isWhole ? Math.min(createdAt, this.#lastTime || time) : time;
    this.#clock = new CastClock(startedAt, this.#options.version);
    this.#lastTime = startedAt;
    const { type: _, version: __, ...known } = this.#recording ?? { type: 'recording', version: 3 };
    const command = commandOf(this.#session).slice(0, MAX_COMMAND_CHARS);
    const header: CastHeader = {
      term: mode === 'pty' ? { type: 'xterm-256color' } : {},
      title: this.#session.name,
      ...(command === '' ? {} : { command }),
      ...known,
      ...defined({ idleTimeLimit: this.#options.idleLimit }),
      timestamp: Math.floor(startedAt / 1000),
      cols: first.cols,
      rows: first.rows,
    };
    return headerLine(header, this.#options.version) + this.#early.map((label) => this.#event('m', label)).join('');
  }

  #body(entry: Entry): string {
    if (isOutput(entry.kind)) return this.#output(entry.kind, this.#text.cut(entry.kind, entry.bytes).text);
    switch (entry.kind) {
      case 'resize': {
        const { cols, rows } = entryBody<Size>(entry);
        return this.#event('r', `${cols}x${rows}`);
      }
      case 'signal':
        return this.#event('m', `signal ${entryBody<EntryData['signal']>(entry).signal}`);
      case 'input':
        return this.#options.input ? this.#input(entryBody<EntryData['input']>(entry)) : '';
      case 'exit': {
        const { exitCode, signal } = entryBody<EntryData['exit']>(entry);
        const code =
          exitCode ?? (signal == null ? undefined : 128 + (constants.signals[signal as NodeJS.Signals] ?? 0));
        if (code !== undefined) this.#exit ??= { time: entry.time, code };
        return '';
      }
      case 'closed': {
        const { reason } = entryBody<EntryData['closed']>(entry);
        const why = reason === undefined ? undefined : END_NOBODY_SAW[reason];
        return this.#flush() + (why === undefined ? '' : this.#event('m', why));
      }
      default:
        return this.#marks(entry)
          .map((label) => this.#event('m', label))
          .join('');
    }
  }

  #output(kind: OutputKind, text: string): string {
    if (text === '') return '';
    const shown = kind === 'tty' ? text : this.#withReturns(text);
    return eventTexts(shown)
      .map((part) => this.#event('o', part))
      .join('');
  }

  /** Adds a CR before each LF, as a terminal's driver does; the output of pipes lacks it. */
  #withReturns(text: string): string {
    const shown = text.replace(/(^|[^\r])(?=\n)/g, (before, _, at) =>
      at === 0 && before === '' && this.#afterCr ? '' : `${before}\r`,
    );
    this.#afterCr = text.endsWith('\r');
    return shown;
  }

  #input({ by, bytes, text }: Partial<EntryData['input']>): string {
    if (text === undefined) return this.#event('m', `input: ${bytes} bytes from ${oneLine(by ?? '', 100)}`);
    return eventTexts(text)
      .map((part) => this.#event('i', part))
      .join('');
  }

  #marks(entry: Entry): readonly string[] {
    const body = entryBody(entry);
    switch (body.type) {
      case 'run_started':
        return [`$ ${oneLine(body.run?.command ?? '')}`];
      case 'run_ended':
        return [`ended: ${oneLine(body.run?.command ?? '')} (${endText(body.run)})`];
      case 'session_reset':
        return ['a fresh shell'];
      case 'marker':
        return [body.label ?? ''];
      default:
        return trafficMarks(body.traffic);
    }
  }

  /** Returns the bytes that wait for the rest of a character which does not come. */
  #flush(): string {
    return KINDS.map((kind) => this.#output(kind, this.#text.flush(kind))).join('');
  }

  #event(code: CastCode, data: string): string {
    return this.#clock?.event(this.#lastTime, code, data) ?? '';
  }
}

const endText = (run: RunInfo | undefined): string =>
  run?.outcome === 'exited' || run?.outcome == null ? `exit code ${run?.exitCode ?? 'unknown'}` : run.outcome;

function trafficMarks(traffic: TrafficMark['traffic'] | undefined): readonly string[] {
  if (traffic === undefined) return [];
  const { command, lost_bytes: lost } = traffic;
  return [
    ...(lost === undefined || lost === 0 ? [] : [`${lost} bytes of output are missing here (its emitter had no room)`]),
    ...(command === undefined ? [] : [`$ ${oneLine(command)}`]),
  ];
}
