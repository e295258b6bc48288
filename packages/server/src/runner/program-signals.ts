// Signals from people and clients to the program of a session: the choice of the processes that get them.

import type { SignalName } from '@binnacle/protocol';
import {
  familyOf,
  kill,
  type Leader,
  readProcess,
  signalProcess,
  youngestFirst,
} from '../process/session-processes.ts';
import type { HostedSpec } from './wire.ts';

/** Signals for the job of an interactive shell, of which a shell on pipes would die. */
const FOR_JOBS_ONLY: ReadonlySet<SignalName> = new Set(['SIGINT', 'SIGQUIT', 'SIGTSTP']);

/**
 * Sends a signal. PTY: to the foreground group of the terminal, as Ctrl-C does; a signal to the shell's group would
 * not reach its job. Pipes: to the whole group of a command; for a shell, to the processes that it has started.
 * Returns false if no process got the signal.
 */
export function signalProgram(
  spec: Pick<HostedSpec, 'id' | 'mode' | 'isShell'>,
  leader: Leader,
  signal: SignalName,
): boolean {
  if (spec.mode === 'pty') return signalForeground(leader, signal);
  return spec.isShell ? signalJob(spec.id, leader, signal) : kill(-leader.pid, signal);
}

function signalForeground(leader: Leader, signal: SignalName): boolean {
  const foreground = readProcess(leader.pid)?.foreground ?? -1;
  return kill(foreground > 0 ? -foreground : leader.pid, signal);
}

function signalJob(session: string, leader: Leader, signal: SignalName): boolean {
  const family = familyOf(leader, session).filter((row) => row.pid !== leader.pid);
  const job = youngestFirst(family);
  // A shell that takes runs is the child of its keeper, and must get an interrupt before its job does.
  job.sort((a, b) => Number(b.parent === leader.pid) - Number(a.parent === leader.pid));
  if (job.length === 0) return !FOR_JOBS_ONLY.has(signal) && kill(leader.pid, signal);
  return job.map((row) => signalProcess(row, signal)).includes(true);
}
