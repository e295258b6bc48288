// Ends all processes of a session: hang up, terminate, kill. Each step goes to the whole family.

import type { SignalName } from '@binnacle/protocol';
import { Ticks } from '../base/running-time.ts';
import { type Family, type Leader, scanFamily, signalProcess } from './session-processes.ts';

export interface EndingTimes {
  /** Time after SIGHUP and SIGCONT (a stopped job cannot react to the first without the second). Shells end here. */
  readonly hupMs: number;
  /** Time after SIGTERM, for programs that clean up. */
  readonly termMs: number;
}

export const ENDING_TIMES: EndingTimes = { hupMs: 500, termMs: 2000 };

/** Interval of checks whether the processes are gone: /proc costs about a millisecond per hundred processes. */
const CHECK_MS = 20;
/** Maximum ms between two checks under load. More than twice this time means that this process was stopped. */
const LATE_MS = 250;
/**
 * Maximum wait for a process that is becoming another program and may belong to the family. It takes less than 1 ms,
 * unless its disk does not answer.
 */
const UNCLEAR_MS = 200;
/** Maximum wait after SIGKILL. It is immediate, except for a process in an uninterruptible wait. */
const KILL_WAIT_MS = 2000;

const STEPS: readonly { readonly signals: readonly SignalName[]; readonly wait: (times: EndingTimes) => number }[] = [
  { signals: ['SIGHUP', 'SIGCONT'], wait: (times) => times.hupMs },
  { signals: ['SIGTERM', 'SIGCONT'], wait: (times) => times.termMs },
  { signals: ['SIGKILL'], wait: () => KILL_WAIT_MS },
];

/** Ends the family. Resolves with the number of processes that could not be ended. */
export async function endFamily(leader: Leader, sessionId: string, times: EndingTimes = ENDING_TIMES): Promise<number> {
  let family: Family = { rows: [], isComplete: false };
  const scan = () => {
    family = scanFamily(leader, sessionId, family.rows);
    return family;
  };
  for (const step of STEPS) {
    for (const row of scan().rows) for (const signal of step.signals) signalProcess(row, signal);
    if (await allEnded(scan, step.wait(times))) return 0;
  }
  return scan().rows.length;
}

async function allEnded(scan: () => Family, timeoutMs: number): Promise<boolean> {
  const ticks = new Ticks();
  const unclearUntil = performance.now() + UNCLEAR_MS;
  let deadline = performance.now() + timeoutMs;
  let hasMore = true;
  for (let family = scan(); family.rows.length > 0 || !family.isComplete; family = scan()) {
    if (family.rows.length === 0 && performance.now() >= unclearUntil) return true;
    // While the machine was stopped the processes could not end either: the step gets its time once more.
    if (ticks.isLate(LATE_MS) && hasMore) {
      hasMore = false;
      deadline = performance.now() + timeoutMs;
    }
    if (performance.now() >= deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, CHECK_MS));
  }
  return true;
}
