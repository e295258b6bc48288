// Where commands begin in a terminal: a mark beside the scrollbar each, and a way from one to the next. They come from the
// log of a session that takes runs, and from programs that say it themselves (OSC 133). Those that failed are marked as
// such. Knows no session.

import type { IDecoration, IDisposable, IMarker, Terminal } from '@xterm/xterm';
import { textOf } from './copy-text.ts';
import { showRuler } from './ruler.ts';
import { inside } from './xterm-internals.ts';
import './command-marks.css';

interface Run {
  /** The row of its command, where that is shown. */
  readonly marker: IMarker;
  /** Its output begins so many rows below. */
  readonly below: 0 | 1;
  decoration: IDecoration | undefined;
  /** Behind the last row of its output; undefined while it runs. */
  end: IMarker | undefined;
  hasFailed: boolean;
  isShownFailed: boolean;
}

type ExitCode = number | null;

/** Where its output begins. */
const lineOf = ({ marker, below }: Run): number => marker.line + below;

/** An entry of the log, as it came. */
type LogEvent = Readonly<Record<string, unknown>>;

export const isOfRun = ({ type }: LogEvent): boolean => type === 'run_started' || type === 'run_ended';

/** Each costs at every line that goes away at the top. */
export const MOST_MARKS = 200;
// What stands above the line: the prompt.
const LINES_ABOVE = 1;

export class RunMarks {
  private readonly terminal: Terminal;
  private readonly changed: (count: number) => void;
  private readonly undo: IDisposable;
  private runs: Run[];
  /** The log says where runs are: what the output says is the same once more. */
  private isTold: boolean;

  constructor(terminal: Terminal, changed: (count: number) => void) {
    this.terminal = terminal;
    this.changed = changed;
    this.runs = [];
    this.isTold = false;
    this.undo = terminal.parser.registerOscHandler(133, (data) => {
      if (this.isTold) return false;
      if (data[0] === 'C') this.begin();
      else if (data[0] === 'D') this.end(exitCodeIn(data));
      return false;
    });
  }

  /** The log will tell: the output is not asked. */
  told(): void {
    this.isTold = true;
  }

  /** What the log tells of a run. Call it when all before is drawn. */
  apply(event: LogEvent): void {
    if (event.type === 'run_started') this.begin();
    else if (event.type === 'run_ended') this.end(exitCodeOf(event.run));
  }

  /** A command begins where the cursor is. Call it when all before is drawn. */
  begin(): void {
    const { buffer } = this.terminal;
    if (buffer.active.type !== 'normal') return;
    const { baseY, cursorY } = buffer.active;
    const last = this.runs.at(-1);
    const line = baseY + cursorY;
    // A program can say so a hundred thousand times in one line, and on pipes a run may print nothing.
    if (last !== undefined && !last.marker.isDisposed && lineOf(last) === line) {
      last.end?.dispose();
      last.end = undefined;
      last.hasFailed = false;
      return;
    }
    // Pipes show no commands.
    const below = this.terminal.options.convertEol !== true && line > 0 ? 1 : 0;
    const marker = this.terminal.registerMarker(-below);
    const fresh = { decoration: undefined, end: undefined, hasFailed: false, isShownFailed: false };
    if (marker !== undefined) this.add({ marker, below, ...fresh });
  }

  /** The command that began last has ended. `null`: nobody knows how. */
  end(exitCode: ExitCode): void {
    const last = this.runs.at(-1);
    if (last === undefined || last.end !== undefined || this.terminal.buffer.active.type !== 'normal') return;
    const { cursorX } = this.terminal.buffer.active;
    last.end = this.terminal.registerMarker(cursorX === 0 ? 0 : 1);
    last.hasFailed = exitCode !== null && exitCode !== 0;
    if (last.hasFailed === last.isShownFailed) return;
    last.decoration?.dispose();
    this.draw(last);
  }

  /** The lines where those begin that failed. */
  get failed(): number[] {
    return this.runs.flatMap((run) => (run.hasFailed && !run.marker.isDisposed ? [run.marker.line] : []));
  }

  /** The line of the next one above or below what is looked at; undefined where there is none. */
  next(isOlder: boolean): number | undefined {
    const top = this.terminal.buffer.active.viewportY + LINES_ABOVE;
    const lines = this.runs.flatMap((run) => (run.marker.isDisposed ? [] : [lineOf(run)]));
    return isOlder ? lines.findLast((line) => line < top) : lines.find((line) => line > top);
  }

  show(line: number): void {
    this.terminal.scrollToLine(Math.max(0, line - LINES_ABOVE));
  }

  /** Of the last command; undefined where none is marked. */
  lastOutput(): string | undefined {
    const last = this.runs.at(-1);
    if (last === undefined || last.marker.isDisposed) return undefined;
    const { normal } = this.terminal.buffer;
    return textOf(normal, lineOf(last), last.end?.isDisposed === false ? last.end.line : normal.length);
  }

  /** Those of a terminal whose lines from `first` on were put above all of ours. */
  putAbove(older: RunMarks, first: number, count: number): void {
    const taken = older.runs.flatMap((run) => {
      const line = lineOf(run) - first;
      return run.marker.isDisposed || line < 0 || line >= count ? [] : [this.copyOf(run, first)];
    });
    this.keep([...taken, ...this.runs]);
  }

  /** Those of a terminal whose lines from `shift` on are our first ones, up to our line `last`; none is marked twice. */
  putWithin(older: RunMarks, shift: number, last: number): void {
    const here = new Set(this.runs.map(lineOf));
    const taken = older.runs.flatMap((run) => {
      const line = lineOf(run) - shift;
      const isMissing = line >= 0 && line <= last && !here.has(line);
      return run.marker.isDisposed || !isMissing ? [] : [this.copyOf(run, shift)];
    });
    if (taken.length > 0) this.keep([...taken, ...this.runs].sort((a, b) => lineOf(a) - lineOf(b)));
  }

  clear(): void {
    for (const { marker, end } of this.runs) {
      marker.dispose();
      end?.dispose();
    }
    this.runs = [];
    this.changed(0);
  }

  dispose(): void {
    this.undo.dispose();
  }

  private add(run: Run): void {
    this.end(null);
    this.draw(run);
    this.keep([...this.runs, run]);
  }

  /** The same in our lines, of which the first is its line `shift`. */
  private copyOf({ marker, below, end, hasFailed }: Run, shift: number): Run {
    const { normal } = inside(this.terminal).buffers;
    const isCut = marker.line < shift;
    const run: Run = {
      marker: normal.addMarker(isCut ? 0 : marker.line - shift),
      below: isCut ? 0 : below,
      decoration: undefined,
      end: end === undefined || end.isDisposed ? undefined : normal.addMarker(end.line - shift),
      hasFailed,
      isShownFailed: false,
    };
    this.draw(run);
    return run;
  }

  /** The newest of them. */
  private keep(runs: readonly Run[]): void {
    for (const { marker, end } of runs.slice(0, -MOST_MARKS)) {
      marker.dispose();
      end?.dispose();
    }
    this.runs = runs.slice(-MOST_MARKS);
    this.changed(this.runs.length);
  }

  private draw(run: Run): void {
    const { element, buffer } = this.terminal;
    if (element === undefined || buffer.active.type !== 'normal') return;
    const colour = getComputedStyle(element).getPropertyValue(run.hasFailed ? '--red' : '--brass');
    showRuler(this.terminal);
    run.isShownFailed = run.hasFailed;
    run.decoration = this.terminal.registerDecoration({
      marker: run.marker,
      width: 1,
      overviewRulerOptions: { color: colour.trim(), position: 'left' },
    });
    run.decoration?.onRender((drawn) => {
      drawn.classList.add('run-mark');
      drawn.classList.toggle('failed', run.hasFailed);
      drawn.dataset.testid = 'run-mark';
    });
  }
}

const exitCodeOf = (run: unknown): ExitCode =>
  typeof run === 'object' && run !== null && 'exitCode' in run && typeof run.exitCode === 'number'
    ? run.exitCode
    : null;

/** Of `D;1` and `D;1;aid=…`; null where it is not told. */
function exitCodeIn(data: string): ExitCode {
  const told = /^D;(\d{1,5})(;|$)/.exec(data)?.[1];
  return told === undefined ? null : Number(told);
}
