// Finds the processes that belong to a session, and signals them. Reads /proc; Linux only.

import { readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import type { SignalName } from '@binnacle/protocol';

/** In the environment of every program of ours: children that left the session and the group are found by it. */
export const SESSION_MARK = 'BINNACLE_SESSION';

export interface ProcessRow {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** The foreground group of its terminal, -1 without one. */
  readonly foreground: number;
  /** Clock ticks since boot: together with the pid it names one process for ever. */
  readonly startTime: string;
  readonly isZombie: boolean;
}

/** The process that was started for a session. */
export type Leader = Pick<ProcessRow, 'pid' | 'startTime'>;

/** Undefined when there is no such process. */
export function readProcess(pid: number): ProcessRow | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined; // It ended; that is the answer.
  }
  // The name in brackets may hold spaces and brackets, so fields are counted from the last one: [0] is the state.
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
 * The leader, what descends from it, what is in its session, and what carries the session's mark. No zombies. `known`
 * were found before: one that left the session with an empty environment is nobody's child once its parent has ended.
 */
export function familyOf(leader: Leader, sessionId: string, known: readonly Leader[] = []): ProcessRow[] {
  const rows = listProcesses();
  const knownTimes = new Map(known.map(({ pid, startTime }) => [pid, startTime]));
  // Once the leader is reaped its number can come back, as somebody else and with somebody else's session.
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
  // A Set goes on to what is added while it is walked.
  for (const pid of family) for (const child of byParent.get(pid) ?? []) family.add(child.pid);
  return rows.filter((row) => family.has(row.pid) && !row.isZombie && row.pid !== process.pid);
}

function hasMark(pid: number, sessionId: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`${SESSION_MARK}=${sessionId}\0`);
  } catch {
    return false; // Another user's process, or one that has just ended.
  }
}

/** Whether a process descends from a living one with this title (at most 15 characters). Its own title does not count. */
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
    return ''; // It has just ended.
  }
}

/** The marks of what runs that begin like this. */
export function marksOf(prefix: string): ReadonlySet<string> {
  const begin = `${SESSION_MARK}=${prefix}`;
  const marks = new Set<string>();
  for (const { pid } of listProcesses()) {
    const mark = environmentOf(pid).find((one) => one.startsWith(begin));
    if (mark !== undefined) marks.add(mark.slice(SESSION_MARK.length + 1));
  }
  return marks;
}

/** Empty for another user's process, and for one that has just ended. */
function environmentOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0');
  } catch {
    return [];
  }
}

/** The end of a pipeline before its beginning: it must hear of an interrupt before it sees its input end. */
export const youngestFirst = (rows: readonly ProcessRow[]): ProcessRow[] =>
  [...rows].sort((a, b) => Number(b.startTime) - Number(a.startTime) || b.pid - a.pid);

/** Signals a process unless it is another one by now. False when it is gone. */
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
    return false; // ESRCH: it ended in between. EPERM: it changed its user, and is not ours to end.
  }
}

/** Names one boot of this machine: a pid from before it names nothing. */
export const bootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();

/** Whether a signal would end a process: it neither catches nor ignores it. False when it is gone. */
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
