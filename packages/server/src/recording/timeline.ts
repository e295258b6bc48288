// Timeline of a session for people: amounts of output over time, and notable events.

import type { RunInfo, SessionInfo, Timeline, TimelineMark } from '@binnacle/protocol';
import type { LoggedEvent, LogProgress, Span } from '../log/progress.ts';
import type { StoredWait } from '../store/waits.ts';
import { entryBody, gapText, oneLine } from './writer.ts';

/** Maximum marks of a timeline. Beyond it, the most important kinds are chosen, and the newest marks of each. */
export const MAX_MARKS = 500;
/** Kinds of marks, the most important first. */
const WORTH: readonly TimelineMark['kind'][] = ['exit', 'gap', 'waiting', 'run', 'signal', 'resize'];

export interface SessionHistory {
  readonly info: SessionInfo;
  readonly progress: LogProgress;
  /** Runs of a session that takes runs. */
  readonly runs: readonly RunInfo[];
  /** Times at which the session began to wait. */
  readonly waits: readonly StoredWait[];
}

export function timelineOf({ info, progress, runs, waits }: SessionHistory): Timeline {
  const { from, to, stepMs, spans, isWhole } = progress;
  const marks = [
    ...lost(info, progress),
    ...runs.flatMap(ofRun),
    ...waits.map(ofWait),
    ...progress.events.flatMap(ofEntry),
  ];
  const hasExit = marks.some(({ kind }) => kind === 'exit');
  if (!hasExit && info.exitedAt !== null) marks.push(exitOf(info, info.exitedAt, info.outputOffset));
  const chosen = mostTelling(marks);
  return {
    ...{ from, to, stepMs },
    points: pointsOf(spans, { from, to, stepMs }),
    marks: chosen.map((mark) => ({ ...mark, time: Math.min(to, Math.max(from, mark.time)) })),
    isClipped: !isWhole || chosen.length < marks.length,
  };
}

/** Distributes the bytes of spans over steps. A span across several steps counts as evenly distributed. */
export function pointsOf(
  spans: readonly Span[],
  { from, to, stepMs }: Pick<Timeline, 'from' | 'to' | 'stepMs'>,
): Timeline['points'] {
  const points: { time: number; offset: number; bytes: number }[] = [];
  const stepOf = (time: number): number => Math.floor((Math.min(to, Math.max(from, time)) - from) / stepMs);
  const add = (step: number, offset: number, bytes: number): void => {
    const time = from + step * stepMs;
    const last = points.at(-1);
    // Times never go back, even if the clock was set back.
    if (last !== undefined && time <= last.time) last.bytes += bytes;
    else if (bytes > 0) points.push({ time, offset, bytes });
  };
  for (const span of spans) {
    const [first, last] = [stepOf(span.from), stepOf(span.to)];
    const count = last - first + 1;
    for (let step = 0, done = 0; step < count; step++) {
      const upTo = Math.floor((span.bytes * (step + 1)) / count);
      add(first + step, span.offset + done, upTo - done);
      done = upTo;
    }
  }
  return points;
}

function lost({ oldestOffset }: SessionInfo, { from, damaged }: LogProgress): TimelineMark[] {
  const gap = (time: number, offset: number, to: number, reason: 'retention' | 'damaged'): TimelineMark => ({
    ...{ kind: 'gap', time, offset },
    text: gapText({ from: offset, to, reason }),
  });
  return [
    ...(oldestOffset > 0 ? [gap(from, 0, oldestOffset, 'retention')] : []),
    ...damaged.map(({ time, offset, to }) => gap(time, offset, to, 'damaged')),
  ];
}

function ofRun({ startedAt, startOffset, command }: RunInfo): TimelineMark[] {
  if (startedAt === null || startOffset === null) return [];
  return [{ kind: 'run', time: startedAt, offset: startOffset, text: oneLine(command) }];
}

const ofWait = ({ since, offset, text }: StoredWait): TimelineMark => ({
  ...{ kind: 'waiting', time: since, offset, text: oneLine(text) },
});

function ofEntry(entry: LoggedEvent): TimelineMark[] {
  const { kind, time, offset } = entry;
  const at = { time, offset };
  switch (kind) {
    case 'resize': {
      const { cols, rows } = entryBody<{ cols: number; rows: number }>(entry);
      return [{ kind: 'resize', ...at, text: `${cols}×${rows}` }];
    }
    case 'signal':
      return [{ kind: 'signal', ...at, text: oneLine(entryBody<{ signal: string }>(entry).signal ?? '') }];
    case 'exit':
      return [exitOf(entryBody<Pick<SessionInfo, 'exitCode' | 'signal'>>(entry), time, offset)];
    case 'event': {
      // Marks of runs come from their records.
      const { traffic, type, label } = entryBody(entry);
      const text = traffic?.command_preview ?? traffic?.command ?? (type === 'marker' ? label : undefined);
      return text === undefined ? [] : [{ kind: 'run', ...at, text: oneLine(text) }];
    }
    default:
      return [];
  }
}

function exitOf(
  { exitCode = null, signal = null }: Partial<Pick<SessionInfo, 'exitCode' | 'signal'>>,
  time: number,
  offset: number,
): TimelineMark {
  const text = signal ?? (exitCode === null ? 'nobody knows how' : `exit code ${exitCode}`);
  return { kind: 'exit', time, offset, text };
}

function mostTelling(marks: readonly TimelineMark[]): TimelineMark[] {
  const inOrder = (one: TimelineMark, other: TimelineMark): number =>
    one.offset - other.offset || one.time - other.time;
  const sorted = [...marks].sort(inOrder);
  if (sorted.length <= MAX_MARKS) return sorted;
  const byWorth = WORTH.flatMap((kind) => sorted.filter((mark) => mark.kind === kind).reverse());
  return byWorth.slice(0, MAX_MARKS).sort(inOrder);
}
