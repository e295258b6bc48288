// Finds the processes that belong to a session, and signals them. Reads /proc; Linux only.

import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
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
  /** A thread of the kernel: it has no environment. */
  readonly isKernel: boolean;
}

/** `PF_KTHREAD` in the flags of a process. */
const KERNEL_THREAD = 0x0020_0000;
/** Bytes of a buffer for the files of a scan. Most environments fit; a longer file takes several reads. */
const FILE_BYTES = 16 * 1024;
/** Reads of an empty environment, some 20 us each. An execve that is not interrupted takes less than 1 ms. */
const EXEC_TRIES = 100;
/** Bytes of a buffer for one `stat`, which has some 350. */
const STAT_BYTES = 1024;

/** The process that was started for a session. */
export type Leader = Pick<ProcessRow, 'pid' | 'startTime'>;

/** Returns undefined if there is no such process. */
export function readProcess(pid: number, buffer: Buffer = Buffer.allocUnsafe(STAT_BYTES)): ProcessRow | undefined {
  const fields = statOf(pid, buffer);
  if (fields === undefined) return undefined;
  return {
    pid,
    parent: Number(fields[1]),
    group: Number(fields[2]),
    session: Number(fields[3]),
    foreground: Number(fields[5]),
    startTime: fields[19] ?? '',
    isZombie: fields[0] === 'Z' || fields[0] === 'X',
    isKernel: (Number(fields[6]) & KERNEL_THREAD) !== 0,
  };
}

/** Returns the fields of a process from its state, [0], on. Undefined if it has ended. */
function statOf(pid: number, buffer: Buffer): string[] | undefined {
  const stat = readProcFile(pid, 'stat', buffer) ?? '';
  // The name in brackets may contain spaces and brackets, so fields are counted from the last bracket.
  return stat === '' ? undefined : stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

const fileBuffer = (): Buffer => Buffer.allocUnsafe(FILE_BYTES);

/**
 * Reads a file of a process whole. Undefined for a process that has ended, and for a file that this user may not read.
 * `buffer` is for many files, one after the other: `readFileSync` takes 64 KiB for each file of /proc, twice the time.
 */
function readProcFile(pid: number, name: 'stat' | 'environ', buffer: Buffer): string | undefined {
  let text = '';
  try {
    const file = openSync(`/proc/${pid}/${name}`, 'r');
    try {
      let length: number;
      do {
        length = readSync(file, buffer, 0, buffer.length, null);
        text += buffer.toString('latin1', 0, length);
      } while (length === buffer.length); // Only the end is shorter.
    } finally {
      closeSync(file);
    }
  } catch {
    return undefined;
  }
  return text;
}

export function listProcesses(buffer = fileBuffer()): ProcessRow[] {
  const rows: ProcessRow[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const row = readProcess(pid, buffer);
    if (row !== undefined) rows.push(row);
  }
  return rows;
}

export interface Family {
  readonly rows: readonly ProcessRow[];
  /** False if another process may belong to it: one that is just becoming another program shows no environment. */
  readonly isComplete: boolean;
}

/** Returns the processes of `scanFamily`. */
export const familyOf = (leader: Leader, sessionId: string): readonly ProcessRow[] =>
  scanFamily(leader, sessionId).rows;

/**
 * Finds the leader, its descendants, the processes in its session, and those with the session's mark. No zombies.
 * `known` are processes found before: a process that left the session with an empty environment loses its last link to
 * the family when its parent ends.
 */
export function scanFamily(leader: Leader, sessionId: string, known: readonly Leader[] = []): Family {
  const buffer = fileBuffer();
  // A starting bash cuts each of its variables at the `=` for a moment, to read it.
  const marks = [`${SESSION_MARK}=${sessionId}\0`, `${SESSION_MARK}\0${sessionId}\0`];
  const rows = listProcesses(buffer);
  const knownTimes = new Map(known.map(({ pid, startTime }) => [pid, startTime]));
  // After the leader is reaped its pid can be reused, by another process in another session.
  const isReused = rows.some((row) => row.pid === leader.pid && row.startTime !== leader.startTime);
  const family = new Set<number>();
  const byParent = new Map<number, ProcessRow[]>();
  let isComplete = true;
  for (const row of rows) {
    const siblings = byParent.get(row.parent);
    if (siblings === undefined) byParent.set(row.parent, [row]);
    else siblings.push(row);
    const isInSession = !isReused && (row.pid === leader.pid || row.session === leader.pid);
    const isKnown = knownTimes.get(row.pid) === row.startTime;
    // The leader has started all others. Most processes of a machine are older.
    const isOlder = Number(row.startTime) < Number(leader.startTime);
    const isKin = isInSession || isKnown;
    const environment = isKin || isOlder ? '' : environmentOf(row, buffer);
    if (environment === undefined) isComplete = false;
    else if (isKin || marks.some((mark) => environment.includes(mark))) family.add(row.pid);
  }
  // The iteration of a Set includes elements that are added during it.
  for (const pid of family) for (const child of byParent.get(pid) ?? []) family.add(child.pid);
  return {
    rows: rows.filter((row) => family.has(row.pid) && !row.isZombie && row.pid !== process.pid),
    isComplete,
  };
}

/**
 * Returns whether a process has a living ancestor with this title (at most 15 characters). Its own title does not
 * count. A killed process keeps its title and its children until its last thread has ended; it is not living.
 */
export function descendsFrom(pid: number, title: string): boolean {
  let ancestor = readProcess(readProcess(pid)?.parent ?? 0);
  while (ancestor !== undefined && ancestor.pid > 1) {
    if (titleOf(ancestor.pid) === title && !ancestor.isZombie) return true;
    ancestor = readProcess(ancestor.parent);
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
  const buffer = fileBuffer();
  for (const row of listProcesses(buffer)) {
    const mark = environmentOf(row, buffer)
      ?.split('\0')
      .find((one) => one.startsWith(begin));
    if (mark !== undefined) marks.add(mark.slice(SESSION_MARK.length + 1));
  }
  return marks;
}

/**
 * Returns the variables, each with a NUL behind it. Empty for a process of another user, and for one that has just
 * ended. Undefined if the process is still becoming another program (execve) after some milliseconds: until the kernel
 * has given it the new environment, the file of a process is empty.
 */
function environmentOf({ pid, isKernel, isZombie }: ProcessRow, buffer: Buffer): string | undefined {
  if (isKernel || isZombie) return '';
  let isExecuted = true;
  for (let tries = 0; tries < EXEC_TRIES; tries += 1) {
    const environment = readProcFile(pid, 'environ', buffer) ?? 'unreadable';
    if (environment !== '') return environment;
    const stat = statOf(pid, buffer);
    const [memory, code, start, end] = [20, 24, 47, 48].map((field) => stat?.[field] ?? '0');
    // The process is ending, or was started with an empty environment: execve sets the end of the code last.
    if (memory === '0' || (code !== '0' && end !== '0' && start === end)) return '';
    // The bounds of the environment come before the end of the code: they alone do not show that execve is over.
    if (code === '0') isExecuted = false;
  }
  // After execve, a process without an environment has given up the memory of it.
  return isExecuted ? '' : undefined;
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
