// Finds the processes that belong to a session, and signals them. Reads /proc; Linux only.

import { readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import type { SignalName } from '@binnacle/protocol';

/** Environment variable of every started program: it identifies children that left the session and the group. */
export const SESSION_MARK = 'BINNACLE_SESSION';

export interface ProcessRow {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** The foreground group of its terminal, -1 without a terminal. */
  readonly foreground: number;
  /** Clock ticks since boot: together with the pid it identifies one process for ever. */
  readonly startTime: string;
  readonly isZombie: boolean;
}

/** The process that was started for a session. */
export type Leader = Pick<ProcessRow, 'pid' | 'startTime'>;

/** Returns undefined if there is no such process. */
export function readProcess(pid: number): ProcessRow | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined; // The process has ended.
  }
  // The name in brackets may contain spaces and brackets, so fields are counted from the last bracket: [0] is the
  // state.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return {
    pid,
    parent: Number(fields[1]),
    group: Number(fields[2]),
    session: Number(fields[3]),
    foreground: Number(fields[5]),
    startTime: fields[19] ?? '',
    isZombie: fields[0] === 'Z' || fields[0] === 'X',
  };
}

export function listProcesses(): ProcessRow[] {
  const rows: ProcessRow[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const row = readProcess(pid);
    if (row !== undefined) rows.push(row);
  }
  return rows;
}

/**
 * Returns the leader, its descendants, the processes in its session, and those with the session's mark. No zombies.
 * `known` are processes found before: a process that left the session with an empty environment loses its last link to
 * the family when its parent ends.
 */
export function familyOf(leader: Leader, sessionId: string, known: readonly Leader[] = []): ProcessRow[] {
  const rows = listProcesses();
  const knownTimes = new Map(known.map(({ pid, startTime }) => [pid, startTime]));
  // After the leader is reaped its pid can be reused, by another process in another session.
  const isReused = rows.some((row) => row.pid === leader.pid && row.startTime !== leader.startTime);
  const family = new Set<number>();
  const byParent = new Map<number, ProcessRow[]>();
  for (const row of rows) {
    const siblings = byParent.get(row.parent);
    if (siblings === undefined) byParent.set(row.parent, [row]);
    else siblings.push(row);
    const isInSession = !isReused && (row.pid === leader.pid || row.session === leader.pid);
    const isKnown = knownTimes.get(row.pid) === row.startTime;
    if (isInSession || isKnown || hasMark(row.pid, sessionId)) family.add(row.pid);
  }
  // The iteration of a Set includes elements that are added during it.
  for (const pid of family) for (const child of byParent.get(pid) ?? []) family.add(child.pid);
  return rows.filter((row) => family.has(row.pid) && !row.isZombie && row.pid !== process.pid);
}

function hasMark(pid: number, sessionId: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`${SESSION_MARK}=${sessionId}\0`);
  } catch {
    return false; // A process of another user, or one that has just ended.
  }
}

/**
 * Returns whether a process has a living ancestor with this title (at most 15 characters). Its own title does not
 * count.
 */
export function descendsFrom(pid: number, title: string): boolean {
  for (let at = readProcess(pid)?.parent ?? 0; at > 1; at = readProcess(at)?.parent ?? 0) {
    if (titleOf(at) === title) return true;
  }
  return false;
}

function titleOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return ''; // The process has just ended.
  }
}

/** Returns the marks of running processes that begin with `prefix`. */
export function marksOf(prefix: string): ReadonlySet<string> {
  const begin = `${SESSION_MARK}=${prefix}`;
  const marks = new Set<string>();
  for (const { pid } of listProcesses()) {
    const mark = environmentOf(pid).find((one) => one.startsWith(begin));
    if (mark !== undefined) marks.add(mark.slice(SESSION_MARK.length + 1));
  }
  return marks;
}

/** Returns no variables for a process of another user, and for one that has just ended. */
function environmentOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0');
  } catch {
    return [];
  }
}

/** Sorts the end of a pipeline before its beginning: it must get an interrupt before it sees the end of its input. */
export const youngestFirst = (rows: readonly ProcessRow[]): ProcessRow[] =>
  [...rows].sort((a, b) => Number(b.startTime) - Number(a.startTime) || b.pid - a.pid);

/** Signals a process unless its pid was reused. Returns false if it is gone. */
export function signalProcess(row: ProcessRow, signal: SignalName | 0): boolean {
  const now = readProcess(row.pid);
  if (now === undefined || now.startTime !== row.startTime || now.isZombie) return false;
  return kill(row.pid, signal);
}

export function kill(pid: number, signal: SignalName | 0): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false; // ESRCH: it ended meanwhile. EPERM: it changed its user, and may not be ended.
  }
}

/** Returns the id of this boot of the machine: a pid from an earlier boot identifies no process. */
export const bootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();

/** Returns whether a signal would end a process: it neither catches nor ignores the signal. False if it is gone. */
export function wouldEnd(pid: number, signal: SignalName): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    const bit = 1n << BigInt(constants.signals[signal] - 1);
    return ['SigIgn', 'SigCgt'].every((name) => {
      const mask = new RegExp(`^${name}:\\s+([0-9a-f]+)$`, 'm').exec(status)?.[1];
      return mask !== undefined && (BigInt(`0x${mask}`) & bit) === 0n;
    });
  } catch {
    return false;
  }
}
