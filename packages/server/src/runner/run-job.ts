// The processes of a run, which can be interrupted and ended without their shell.

import { readFileSync } from 'node:fs';
import type { ProcessInfo, SessionMode, SignalName } from '@binnacle/protocol';
import {
  type Family,
  type Leader,
  type ProcessRow,
  readProcess,
  scanFamily,
  signalProcess,
  wouldEnd,
  youngestFirst,
} from '../process/session-processes.ts';

/**
 * Maximum time of each step of ending a run. A test suite that cleans up after itself takes a second. Every `againMs`,
 * processes that started meanwhile are signalled too.
 */
export const RUN_ENDING = { intMs: 1000, termMs: 1000, killMs: 500, againMs: 50 } as const;
/** Ticks per second of /proc: 100 on every Linux that Node runs on (USER_HZ). */
const TICKS_PER_SECOND = 100;
/** Maximum forks in a tick. Pids wrap around after the largest, which is at least twice this. */
const MOST_FORKS = 16_384;
const MAX_COMMAND_LENGTH = 1000;
/**
 * Maximum time of a sweep, and the pause between two scans, in which a process becomes the program that it was started
 * for. Both block the runner: the shell waits for the answer to its end, and a second scan is rare.
 */
const SWEEP_MS = 20;
const SWEEP_PAUSE_MS = 1;
const NEVER = new Int32Array(new SharedArrayBuffer(4));

export class RunJob {
  readonly #session: string;
  readonly #mode: SessionMode;
  readonly #leader: () => Leader;
  shellPid = -1;
  /** Ticks since boot. Processes from before then are background jobs of earlier runs. */
  #since = 0;
  /**
   * The newest pid at that time, which distinguishes processes of the same tick. 0 if the kernel does not report it.
   */
  #newest = 0;
  /** Signals sent in this run: a second interrupt means "at once" to many programs. */
  readonly #signalled = new Set<string>();

  constructor(session: string, mode: SessionMode, leader: () => Leader) {
    this.#session = session;
    this.#mode = mode;
    this.#leader = leader;
  }

  begin(): void {
    this.#signalled.clear();
    if (this.#mode === 'pipe') {
      this.#since = Math.round(Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]) * TICKS_PER_SECOND);
      this.#newest = Number(readFileSync('/proc/loadavg', 'latin1').trim().split(' ').at(-1));
    }
  }

  /**
   * Signals the processes of the run. Called repeatedly until the run has ended, to reach processes started since. No
   * process gets a signal twice, except one that the signal should have ended: a child that bash has just forked loses
   * an interrupt until it has become the program.
   *
   * An interrupt also goes to the shell, and first to the shell. Bash gives up its command if its job dies of an
   * interrupt that bash itself received; otherwise it would continue with the next command.
   */
  signal(signal: SignalName): void {
    const shell = readProcess(this.shellPid);
    const targets = youngestFirst(this.#targets(shell).rows).filter(
      ({ pid }) => this.#isFirst(signal, pid) || wouldEnd(pid, signal),
    );
    if (signal === 'SIGINT' && shell !== undefined && (targets.length > 0 || this.#isFirst(signal, shell.pid))) {
      signalProcess(shell, signal);
    }
    for (const row of targets) signalProcess(row, signal);
  }

  /**
   * On pipes, after the job has ended of a signal: signals processes that were forked during the first scan. Never the
   * shell.
   */
  sweep(signal: SignalName): void {
    const shell = readProcess(this.shellPid);
    const until = performance.now() + SWEEP_MS;
    do {
      const { rows, isComplete } = this.#targets(shell);
      for (const row of youngestFirst(rows)) if (wouldEnd(row.pid, signal)) signalProcess(row, signal);
      if (isComplete) return;
      Atomics.wait(NEVER, 0, 0, SWEEP_PAUSE_MS);
    } while (performance.now() < until);
  }

  /**
   * Returns the processes of the run without the shell. In a terminal: the foreground group. On pipes, where all share
   * one group: the processes that the run started.
   */
  #targets(shell: ProcessRow | undefined): Family {
    if (this.#mode === 'pipe') {
      const { rows, isComplete } = this.#family();
      const family = new Map(rows.map((row) => [row.pid, row]));
      return { rows: rows.filter((row) => this.#isOfRun(row, family)), isComplete };
    }
    const group = readProcess(this.#leader().pid)?.foreground ?? -1;
    if (group <= 0 || group === shell?.group) return { rows: [], isComplete: true };
    const { rows, isComplete } = this.#family();
    return { rows: rows.filter((row) => row.group === group), isComplete };
  }

  /**
   * Returns whether a process and all its ancestors in the family started with this run or later: jobs of earlier runs
   * still start processes.
   */
  #isOfRun(row: ProcessRow, family: ReadonlyMap<number, ProcessRow>): boolean {
    for (let one: ProcessRow | undefined = row; one !== undefined; one = family.get(one.parent)) {
      if (!this.#isNew(one)) return false;
    }
    return true;
  }

  #isNew({ pid, startTime }: ProcessRow): boolean {
    const ticks = Number(startTime) - this.#since;
    // The two clocks are rounded independently.
    if (ticks > 0 || ticks < -1) return ticks > 0;
    const later = pid - this.#newest;
    return this.#newest === 0 || later > 0 !== Math.abs(later) > MOST_FORKS;
  }

  /** True if the shell has the terminal, so that no other process can read it. */
  get hasShellTerminal(): boolean {
    const group = readProcess(this.#leader().pid)?.foreground;
    return this.#mode === 'pty' && group !== undefined && group === readProcess(this.shellPid)?.group;
  }

  #isFirst(signal: SignalName, target: number): boolean {
    const key = `${signal} ${target}`;
    if (this.#signalled.has(key)) return false;
    this.#signalled.add(key);
    return true;
  }

  /** Kills the shell, which its keeper replaces; a run may have stopped the keeper. */
  killShell(): void {
    const keeper = readProcess(this.#leader().pid);
    if (keeper !== undefined) signalProcess(keeper, 'SIGCONT');
    const shell = readProcess(this.shellPid);
    if (shell !== undefined && this.#family(true).rows.some(({ pid }) => pid === shell.pid))
      signalProcess(shell, 'SIGKILL');
  }

  /** Lists the processes that the session's runs have started and left behind. */
  list(): ProcessInfo[] {
    return this.#family().rows.map(({ pid, parent }) => ({ pid, parent, command: commandOf(pid) }));
  }

  #family(withShell = false): Family {
    const leader = this.#leader();
    const { rows, isComplete } = scanFamily(leader, this.#session);
    return {
      rows: rows.filter(({ pid }) => pid !== leader.pid && (withShell || pid !== this.shellPid)),
      isComplete,
    };
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim().slice(0, MAX_COMMAND_LENGTH);
  } catch {
    return ''; // The process ended meanwhile.
  }
}
