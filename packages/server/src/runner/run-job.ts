// The processes of a run, to be interrupted and ended without the shell that they belong to.

import { readFileSync } from 'node:fs';
import type { Mode, ProcessInfo, SignalName } from '@binnacle/protocol';
import {
  familyOf,
  type Leader,
  type ProcessRow,
  readProcess,
  signalProcess,
  wouldEnd,
  youngestFirst,
} from '../process/session-processes.ts';

/**
 * How long each step of ending a run may take until the next. A test suite that cleans up after itself takes a second.
 * What starts while we signal is looked for every `againMs`.
 */
export const RUN_ENDING = { intMs: 1000, termMs: 1000, killMs: 500, againMs: 50 } as const;
/** /proc counts in ticks of 1/100 s on every Linux that Node runs on (USER_HZ). */
const TICKS_PER_SECOND = 100;
/** Numbers of processes begin anew behind the largest, which is at least twice this. Nothing forks so often in a tick. */
const MOST_FORKS = 16_384;
const MAX_COMMAND_LENGTH = 1000;

export class RunJob {
  readonly #session: string;
  readonly #mode: Mode;
  readonly #leader: () => Leader;
  shellPid = -1;
  /** Ticks since boot: what started before was left in the background by an earlier run. */
  #since = 0;
  /** The newest process there was then, which tells apart what started in the same tick. 0 where the kernel does not say. */
  #newest = 0;
  /** Of this run: a second interrupt means "at once" to many programs. */
  readonly #signalled = new Set<string>();

  constructor(session: string, mode: Mode, leader: () => Leader) {
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
   * To be called again until the run has ended: it reaches what has been started since. Nobody is signalled twice, except
   * who should have ended of it: a child that bash has just forked loses an interrupt until it has become the program.
   *
   * An interrupt is for the shell as well, and for the shell first. It gives up its command where its job dies of an
   * interrupt that it has heard of itself; else it would go on with the next one.
   */
  signal(signal: SignalName): void {
    const shell = readProcess(this.shellPid);
    const targets = youngestFirst(this.#targets(shell)).filter(
      ({ pid }) => this.#isFirst(signal, pid) || wouldEnd(pid, signal),
    );
    if (signal === 'SIGINT' && shell !== undefined && (targets.length > 0 || this.#isFirst(signal, shell.pid))) {
      signalProcess(shell, signal);
    }
    for (const row of targets) signalProcess(row, signal);
  }

  /** On pipes, when the job has ended of it: who was forked while we looked has not heard of it. Never the shell. */
  sweep(signal: SignalName): void {
    const shell = readProcess(this.shellPid);
    for (const row of youngestFirst(this.#targets(shell))) if (wouldEnd(row.pid, signal)) signalProcess(row, signal);
  }

  /** Without the shell. In a terminal: what has the terminal. Else there is one group for all: what the run started. */
  #targets(shell: ProcessRow | undefined): ProcessRow[] {
    if (this.#mode === 'pipe') {
      const family = new Map(this.#family().map((row) => [row.pid, row]));
      return [...family.values()].filter((row) => this.#isOfRun(row, family));
    }
    const group = readProcess(this.#leader().pid)?.foreground ?? -1;
    if (group <= 0 || group === shell?.group) return [];
    return this.#family().filter((row) => row.group === group);
  }

  /** It started with this run or later, and so did what started it: jobs of earlier runs go on starting their own. */
  #isOfRun(row: ProcessRow, family: ReadonlyMap<number, ProcessRow>): boolean {
    for (let one: ProcessRow | undefined = row; one !== undefined; one = family.get(one.parent)) {
      if (!this.#isNew(one)) return false;
    }
    return true;
  }

  #isNew({ pid, startTime }: ProcessRow): boolean {
    const ticks = Number(startTime) - this.#since;
    // The two clocks are rounded each for itself.
    if (ticks > 0 || ticks < -1) return ticks > 0;
    const later = pid - this.#newest;
    return this.#newest === 0 || later > 0 !== Math.abs(later) > MOST_FORKS;
  }

  /** Nothing else can be reading the terminal. */
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

  /** Its keeper starts another one; a run may have stopped it. */
  killShell(): void {
    const keeper = readProcess(this.#leader().pid);
    if (keeper !== undefined) signalProcess(keeper, 'SIGCONT');
    const shell = readProcess(this.shellPid);
    if (shell !== undefined && this.#family(true).some(({ pid }) => pid === shell.pid)) signalProcess(shell, 'SIGKILL');
  }

  /** What the session's runs have started and left. */
  list(): ProcessInfo[] {
    return this.#family().map(({ pid, parent }) => ({ pid, parent, command: commandOf(pid) }));
  }

  #family(withShell = false): ProcessRow[] {
    const leader = this.#leader();
    return familyOf(leader, this.#session).filter(
      ({ pid }) => pid !== leader.pid && (withShell || pid !== this.shellPid),
    );
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim().slice(0, MAX_COMMAND_LENGTH);
  } catch {
    return ''; // It ended in between.
  }
}
