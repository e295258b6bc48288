// Marks of commands in a terminal: one beside the scrollbar for each beginning, and a way from mark to mark. Sources
// are the log of a session that takes runs, and programs that report commands themselves (OSC 133). Failed commands
// have a distinct mark.

import type { IDecoration, IDisposable, IMarker, Terminal } from '@xterm/xterm';
import { textOf } from './copy-text.ts';
import { showRuler } from './ruler.ts';
import { internalsOf } from './xterm-internals.ts';
import './command-marks.css';

interface Run {
  /** The row of its command, if the terminal shows the command. */
  readonly marker: IMarker;
  /** Rows between that row and the first row of output. */
  readonly below: 0 | 1;
  decoration: IDecoration | undefined;
  /** Position after the last row of output; undefined while the command runs. */
  end: IMarker | undefined;
  hasFailed: boolean;
  isShownFailed: boolean;
}

type ExitCode = number | null;

/** Returns the line where the output of a run begins. */
const lineOf = ({ marker, below }: Run): number => marker.line + below;

/** An entry of the log, as received. */
type LogEvent = Readonly<Record<string, unknown>>;

export const isOfRun = ({ type }: LogEvent): boolean => type === 'run_started' || type === 'run_ended';

/** Maximum marks: each costs work for every line that leaves the top of the scrollback. */
export const MOST_MARKS = 200;
/** Delay before marks are drawn: in a flood, most of them are gone by then. */
const DRAW_MS = 50;
// Lines above the marked one: the prompt.
const LINES_ABOVE = 1;

export class CommandMarks {
  readonly #terminal: Terminal;
  readonly #changed: (count: number) => void;
  readonly #undo: readonly IDisposable[];
  #runs: Run[] = [];
  #reportedCount = 0;
  #drawTimer: ReturnType<typeof setTimeout> | undefined;
  /** True if the log reports runs: marks in the output would be duplicates. */
  #isLogFollowed = false;

  constructor(terminal: Terminal, changed: (count: number) => void) {
    this.#terminal = terminal;
    this.#changed = changed;
    this.#undo = [
      terminal.parser.registerOscHandler(133, (data) => {
        if (this.#isLogFollowed) return false;
        if (data[0] === 'C') this.begin();
        else if (data[0] === 'D') this.end(exitCodeIn(data));
        return false;
      }),
      // Decorations exist in the normal buffer only: a program that leaves the alternate screen returns to it.
      terminal.buffer.onBufferChange(() => this.#drawSoon()),
    ];
  }

  /** Makes the log the only source of marks; OSC 133 in the output is ignored. */
  followLog(): void {
    this.#isLogFollowed = true;
  }

  /** Applies a run event of the log. Call when all earlier output is drawn. */
  apply(event: LogEvent): void {
    if (event.type === 'run_started') this.begin();
    else if (event.type === 'run_ended') this.end(exitCodeOf(event.run));
  }

  /** Marks the beginning of a command at the cursor. Call when all earlier output is drawn. */
  begin(): void {
    const { buffer } = this.#terminal;
    if (buffer.active.type !== 'normal') return;
    const { baseY, cursorY } = buffer.active;
    const last = this.#runs.at(-1);
    const line = baseY + cursorY;
    // A program can repeat the sequence a hundred thousand times in one line, and on pipes a run may print nothing.
    if (last !== undefined && !last.marker.isDisposed && lineOf(last) === line) {
      last.end?.dispose();
      last.end = undefined;
      last.hasFailed = false;
      return;
    }
    // Pipes show no command lines.
    const below = this.#terminal.options.convertEol !== true && line > 0 ? 1 : 0;
    const marker = this.#terminal.registerMarker(-below);
    const fresh = { decoration: undefined, end: undefined, hasFailed: false, isShownFailed: false };
    if (marker !== undefined) this.#add({ marker, below, ...fresh });
  }

  /** Marks the end of the latest command. `null`: the exit code is unknown. */
  end(exitCode: ExitCode): void {
    const last = this.#runs.at(-1);
    if (last === undefined || last.end !== undefined || this.#terminal.buffer.active.type !== 'normal') return;
    const { cursorX } = this.#terminal.buffer.active;
    last.end = this.#terminal.registerMarker(cursorX === 0 ? 0 : 1);
    last.hasFailed = exitCode !== null && exitCode !== 0;
    this.#drawSoon();
  }

  /** The lines of failed commands. */
  get failed(): number[] {
    return this.#runs.flatMap((run) => (run.hasFailed && !run.marker.isDisposed ? [run.marker.line] : []));
  }

  /** Returns the line of the next mark above or below the view; undefined if there is none. */
  next(isOlder: boolean): number | undefined {
    const top = this.#terminal.buffer.active.viewportY + LINES_ABOVE;
    const lines = this.#runs.flatMap((run) => (run.marker.isDisposed ? [] : [lineOf(run)]));
    return isOlder ? lines.findLast((line) => line < top) : lines.find((line) => line > top);
  }

  show(line: number): void {
    this.#terminal.scrollToLine(Math.max(0, line - LINES_ABOVE));
  }

  /** Returns the output of the last command; undefined without a mark. */
  lastOutput(): string | undefined {
    const last = this.#runs.at(-1);
    if (last === undefined || last.marker.isDisposed) return undefined;
    const { normal } = this.#terminal.buffer;
    return textOf(normal, lineOf(last), last.end?.isDisposed === false ? last.end.line : normal.length);
  }

  /** Takes over the marks of a terminal whose lines from `first` on were put above all lines of this one. */
  putAbove(older: CommandMarks, first: number, count: number): void {
    const taken = older.#runs.flatMap((run) => {
      const line = lineOf(run) - first;
      return run.marker.isDisposed || line < 0 || line >= count ? [] : [this.#copyOf(run, first)];
    });
    this.#runs.unshift(...taken);
    this.#limit();
  }

  /**
   * Takes over the marks of a terminal whose lines from `shift` on equal the first lines of this one, up to line
   * `last`; marks no command twice.
   */
  mergeOverlap(older: CommandMarks, shift: number, last: number): void {
    const here = new Set(this.#runs.map(lineOf));
    const taken = older.#runs.flatMap((run) => {
      const line = lineOf(run) - shift;
      const isMissing = line >= 0 && line <= last && !here.has(line);
      return run.marker.isDisposed || !isMissing ? [] : [this.#copyOf(run, shift)];
    });
    this.#runs = [...taken, ...this.#runs].sort((a, b) => lineOf(a) - lineOf(b));
    this.#limit();
  }

  clear(): void {
    for (const { marker, end } of this.#runs) {
      marker.dispose();
      end?.dispose();
    }
    this.#runs = [];
    this.#limit();
  }

  dispose(): void {
    clearTimeout(this.#drawTimer);
    for (const undo of this.#undo) undo.dispose();
  }

  #add(run: Run): void {
    this.end(null);
    this.#runs.push(run);
    this.#limit();
  }

  /** Copies a run into the lines of this terminal, whose first line is line `shift` of the other. */
  #copyOf({ marker, below, end, hasFailed }: Run, shift: number): Run {
    const { normal } = internalsOf(this.#terminal).buffers;
    const isCut = marker.line < shift;
    return {
      marker: normal.addMarker(isCut ? 0 : marker.line - shift),
      below: isCut ? 0 : below,
      decoration: undefined,
      end: end === undefined || end.isDisposed ? undefined : normal.addMarker(end.line - shift),
      hasFailed,
      isShownFailed: false,
    };
  }

  /** Drops the oldest runs beyond the limit, and reports the count if it is another. */
  #limit(): void {
    for (const { marker, end } of this.#runs.splice(0, Math.max(0, this.#runs.length - MOST_MARKS))) {
      marker.dispose();
      end?.dispose();
    }
    this.#drawSoon();
    if (this.#runs.length === this.#reportedCount) return;
    this.#reportedCount = this.#runs.length;
    this.#changed(this.#reportedCount);
  }

  #drawSoon(): void {
    this.#drawTimer ??= setTimeout(() => {
      this.#drawTimer = undefined;
      this.#drawAll();
    }, DRAW_MS);
  }

  /** Draws the marks that are not drawn yet, or drawn in another colour. */
  #drawAll(): void {
    const { element, buffer } = this.#terminal;
    if (element === undefined || buffer.active.type !== 'normal') return;
    for (const run of this.#runs.filter(isUndrawn)) this.#draw(run, element);
  }

  #draw(run: Run, element: HTMLElement): void {
    run.decoration?.dispose();
    const colour = getComputedStyle(element).getPropertyValue(run.hasFailed ? '--red' : '--brass');
    showRuler(this.#terminal);
    run.isShownFailed = run.hasFailed;
    run.decoration = this.#terminal.registerDecoration({
      marker: run.marker,
      width: 1,
      overviewRulerOptions: { color: colour.trim(), position: 'left' },
    });
    run.decoration?.onRender((mark) => {
      mark.classList.add('run-mark');
      mark.classList.toggle('failed', run.hasFailed);
      mark.dataset.testid = 'run-mark';
    });
  }
}

const isUndrawn = ({ marker, decoration, hasFailed, isShownFailed }: Run): boolean =>
  !marker.isDisposed && (decoration === undefined || hasFailed !== isShownFailed);

const exitCodeOf = (run: unknown): ExitCode =>
  typeof run === 'object' && run !== null && 'exitCode' in run && typeof run.exitCode === 'number'
    ? run.exitCode
    : null;

/** Parses the exit code of `D;1` and `D;1;aid=…`; null if there is none. */
function exitCodeIn(data: string): ExitCode {
  const followLog = /^D;(\d{1,5})(;|$)/.exec(data)?.[1];
  return followLog === undefined ? null : Number(followLog);
}
