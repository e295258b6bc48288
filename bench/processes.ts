// What the kernel says about processes, and how they are ended. Knows not what they are.

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

/** The kernel counts in ticks of 1/100 s on every Linux that Node runs on. */
const TICK_MS = 10;

/** User and system time in ms. */
export function cpuMs(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const stat = readProc(pid, 'stat');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  }
  return ticks * TICK_MS;
}

const field = (pid: number, file: string, name: string): number =>
  Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readProc(pid, file))?.[1] ?? 0);

/** Resident memory in kB; `peak` since `resetPeak`. */
export const rssKb = (pid: number): number => field(pid, 'status', 'VmRSS');
export const peakKb = (pid: number): number => field(pid, 'status', 'VmHWM');
/** Its share of memory in kB: what several processes map is divided among them. */
export const pssKb = (pid: number): number => field(pid, 'smaps_rollup', 'Pss');
export const threads = (pid: number): number => field(pid, 'status', 'Threads');

/** Counts of the kernel for some processes. */
export interface Counts {
  /** Times that one of their threads slept and was woken. */
  readonly wakeUps: number;
  /** System calls that read or write. */
  readonly calls: number;
  /** Bytes on their way to a disk. */
  readonly diskBytes: number;
}

export function countsOf(pids: readonly number[]): Counts {
  const sum = { wakeUps: 0, calls: 0, diskBytes: 0 };
  for (const pid of pids) {
    for (const task of tasksOf(pid)) sum.wakeUps += field(pid, `task/${task}/status`, 'voluntary_ctxt_switches');
    sum.calls += field(pid, 'io', 'syscr') + field(pid, 'io', 'syscw');
    sum.diskBytes += field(pid, 'io', 'write_bytes');
  }
  return sum;
}

function tasksOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return []; // It is gone.
  }
}

export function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

export function childrenOf(pid: number): number[] {
  return tasksOf(pid).flatMap((task) => readProc(pid, `task/${task}/children`).split(' ').filter(Boolean).map(Number));
}

/** Empty once it is gone. */
function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}

export async function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  await once(child, 'exit');
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export async function until(
  name: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 60_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`Waited ${timeoutMs} ms in vain until ${name}.`);
    await sleep(2);
  }
}
