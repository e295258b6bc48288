// One program in a runner: reads its output, appends its log, writes its input, and reports changes.

import { isAbsolute, join } from 'node:path';
import {
  BinnacleError,
  type EntryData,
  type EntryKind,
  type Epoch,
  formatPosition,
  isDiskFull,
  type ProcessInfo,
  type RunEvent,
  type RunId,
  type RunInfo,
  type RunRequest,
  type SessionId,
  type SignalName,
  SteadyClock,
} from '@binnacle/protocol';
import { TrustedTime } from '../base/trusted-time.ts';
import { type Head, type LogWriter, MAX_ENTRY_BYTES } from '../log/log.ts';
import type { Fifos } from '../process/fifos.ts';
import type { ExitStatus, Program, StartProgram } from '../process/program.ts';
import { keeperCommand } from '../process/run-shell.ts';
import { type Leader, readProcess } from '../process/session-processes.ts';
import { ENDING_TIMES, type EndingTimes, endFamily } from '../process/termination.ts';
import { type ExitRecord, writeExitRecord } from './exit-record.ts';
import { InputAudit } from './input-audit.ts';
import { InputQueue } from './input-queue.ts';
import { signalProgram } from './program-signals.ts';
import { RunJob } from './run-job.ts';
import { RunRecords } from './run-record.ts';
import { Runs } from './runs.ts';
import { ShellLink } from './shell-link.ts';
import { STATUS_REPLY, StatusQuery } from './status-query.ts';
import type { FencedWriter, HostedSpec, HostedStatus, RunnerReceipt } from './wire.ts';

/** Delay before a retry on a full disk; meanwhile the kernel blocks the program. */
const DISK_RETRY_MS = 100;
/** Interval at which segments are checked for their age. The log itself enforces the maximum of bytes. */
const TRIM_MS = 4_000;

export interface HostedEvents {
  /** The log grew. Called in the event-loop turn of the append. */
  grew(hosted: HostedProgram): void;
  changed(hosted: HostedProgram): void;
  /** The state of a run changed: queued, running or ended. */
  ran(hosted: HostedProgram, run: RunInfo): void;
}

/** The EOF character of a terminal, as Ctrl-D sends it. */
const END_OF_FILE = Buffer.of(4);

interface RefusedEntry {
  readonly kind: EntryKind;
  readonly bytes: Uint8Array;
}

export class HostedProgram {
  readonly spec: HostedSpec;
  readonly #log: LogWriter;
  readonly #clock = new SteadyClock();
  /** No earlier state: the log is no older than this process. */
  readonly #time = new TrustedTime();
  readonly #events: HostedEvents;
  readonly #input: InputQueue;
  readonly #statusQuery = new StatusQuery();
  #program: Program | undefined;
  #runs: Runs | undefined;
  #job: RunJob | undefined;
  #leader: Leader = { pid: -1, startTime: '' };
  #exit: ExitRecord | undefined;
  /** Set before `#exit`, which is set when the record is on the disk. */
  #hasExited = false;
  #isBroken = false;
  #state: HostedStatus['state'] = 'running';
  #fence = 0;
  #cols: number;
  #rows: number;
  /** Entries that a full disk refused, in order. Reading is paused while there are any. */
  readonly #refused: RefusedEntry[] = [];
  #diskRetry: NodeJS.Timeout | undefined;
  readonly #audit = new InputAudit((entry) => this.#append('input', json(entry)));
  readonly #trimTimer: NodeJS.Timeout;
  /** Resolves when the exit is recorded, which must happen before `closed`: the record is written asynchronously. */
  #exitRecorded: Promise<void> = Promise.resolve();
  #closedReason: EntryData['closed']['reason'] = 'eof';

  constructor(spec: HostedSpec, log: LogWriter, events: HostedEvents) {
    this.spec = spec;
    this.#log = log;
    this.#events = events;
    this.#cols = spec.cols;
    this.#rows = spec.rows;
    this.#input = new InputQueue(spec.maxInputBytes, (bytes) => this.#program?.write(bytes) ?? 0);
    this.#trimTimer = setInterval(() => this.trim(spec.retainBytes), TRIM_MS);
    this.#trimTimer.unref();
  }

  /** Starts the program. Throws `start_failed` and `pty_unavailable`, after cleaning up. */
  async start(startProgram: StartProgram, fifos: Fifos): Promise<void> {
    try {
      await this.#start(startProgram, fifos);
    } catch (error) {
      clearInterval(this.#trimTimer);
      this.#runs?.stop();
      throw error;
    }
  }

  async #start(startProgram: StartProgram, fifos: Fifos): Promise<void> {
    if (this.spec.mode === 'pty') this.#append('resize', json({ cols: this.#cols, rows: this.#rows }));
    const spec = this.spec.takesRuns === true ? { ...this.spec, argv: await this.#prepareRuns(fifos) } : this.spec;
    this.#program = await startProgram(spec, {
      output: (kind, bytes) => {
        this.#append(kind, bytes);
        this.#runs?.prompt.noticeOutput();
        if (kind === 'tty' && this.#statusQuery.take(bytes)) this.#type(STATUS_REPLY);
      },
      exited: (status) => this.#programOnExit(status),
      ended: () => void this.#close(),
    });
    const row = readProcess(this.#program.pid);
    // The program may have ended already. Then its start time is unknown, and only its mark and session identify its
    // family.
    this.#leader = { pid: this.#program.pid, startTime: row?.startTime ?? '' };
  }

  async #prepareRuns(fifos: Fifos): Promise<[string, ...string[]]> {
    const { id, dir, mode } = this.spec;
    const records = new RunRecords(dir);
    records.make();
    const link = await ShellLink.make(join(reachable(dir), 'shell'), mode, fifos, (report) => runs.handle(report));
    const job = new RunJob(id, mode, () => this.#leader);
    const log = this.#log;
    const runs = new Runs({
      session: id as SessionId,
      mode,
      link,
      records,
      maxQueued: this.spec.maxQueuedRuns ?? 64,
      maxEnded: this.spec.maxEndedRuns ?? 1000,
      job,
      settle: (done) => this.#program?.settle(done),
      type: (bytes) => this.#type(bytes),
      append: (event: RunEvent) => this.#append('event', json(event)),
      get head() {
        return {
          position: formatPosition({ epoch: log.epoch as Epoch, ...log.head }),
          offset: log.head.offset,
        };
      },
      changed: (run) => this.#events.ran(this, run),
    });
    this.#runs = runs;
    this.#job = job;
    return keeperCommand(link.keeper);
  }

  /** Types bytes that come from the runner itself, not from a person. */
  #type(bytes: Buffer): void {
    try {
      this.#input.push(bytes);
    } catch {
      // Closed: the program is about to end. Full: a shell is woken again, and a program that queried its terminal gets
      // no reply.
    }
  }

  /** Submits a run. Throws `no_runs`, and the failures of `Runs.submit`. */
  run(id: RunId, request: RunRequest, writer: FencedWriter): RunInfo {
    this.#admit(writer);
    return this.#needRuns().submit(id, request, writer.by);
  }

  async cancelRun(id: string, writer: FencedWriter): Promise<RunInfo> {
    this.#admit(writer);
    return await this.#needRuns().cancel(id);
  }

  /** Lists the processes of the session's runs. Throws `no_runs`. */
  listProcesses(): ProcessInfo[] {
    this.#needRuns();
    return this.#job?.list() ?? [];
  }

  #needRuns(): Runs {
    if (this.#runs === undefined) throw new BinnacleError('no_runs');
    return this.#runs;
  }

  get status(): HostedStatus {
    return {
      id: this.spec.id,
      state: this.#state,
      pid: this.#leader.pid,
      epoch: this.#log.epoch,
      head: this.#log.head,
      oldest: this.#log.oldest,
      synced: this.#log.synced,
      exitCode: this.#exit?.exitCode ?? null,
      signal: this.#exit?.signal ?? null,
      exitedAt: this.#exit?.exitedAt ?? null,
      cols: this.#cols,
      rows: this.#rows,
      fence: this.#fence,
      stalled: this.#refused.length > 0 ? 'disk_full' : null,
      runs: this.#runs?.status ?? null,
    };
  }

  get head(): Head {
    return this.#log.head;
  }

  get oldest(): Head {
    return this.#log.oldest;
  }

  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** Throws `lease_lost` if a newer writer was seen (fencing). */
  #admit(writer: FencedWriter): void {
    if (writer.fence < this.#fence) {
      throw new BinnacleError('lease_lost', { details: { fence: writer.fence, newest: this.#fence } });
    }
    this.#fence = writer.fence;
  }

  raiseFence(fence: number): void {
    this.#fence = Math.max(this.#fence, fence);
  }

  write(bytes: Buffer, writer: FencedWriter, client?: string, n?: number): RunnerReceipt {
    this.#admit(writer);
    if (this.#hasExited) throw new BinnacleError('session_exited');
    const receipt = this.#input.push(bytes, client, n);
    if (!receipt.duplicate) {
      this.#runs?.prompt.noticeInput(bytes);
      this.#audit.add(writer.by, bytes.length, n);
    }
    return receipt;
  }

  closeInput(writer: FencedWriter): void {
    this.#admit(writer);
    if (this.#hasExited) throw new BinnacleError('session_exited');
    this.#runs?.prompt.noticeEndOfInput();
    if (this.spec.mode === 'pty') this.#input.push(END_OF_FILE);
    else this.#input.end(() => this.#program?.closeInput?.());
  }

  resize(cols: number, rows: number, writer: FencedWriter): void {
    if (this.#program?.resize === undefined) throw new BinnacleError('not_a_tty');
    this.#admit(writer);
    if (this.#hasExited || (cols === this.#cols && rows === this.#rows)) return;
    this.#program.resize(cols, rows);
    this.#cols = cols;
    this.#rows = rows;
    this.#append('resize', json({ cols, rows }));
    this.#events.changed(this);
  }

  /** Sends a signal to the processes that `signalProgram` chooses. Throws `no_job` and `session_exited`. */
  signal(signal: SignalName, writer: FencedWriter): void {
    this.#admit(writer);
    const leader = readProcess(this.#leader.pid);
    // After the leader is reaped its pid may belong to another process, while its last output is still being read.
    if (this.#hasExited || leader === undefined || leader.isZombie || leader.startTime !== this.#leader.startTime) {
      throw new BinnacleError('session_exited');
    }
    if (!signalProgram(this.spec, this.#leader, signal)) throw new BinnacleError('no_job');
    this.#append('signal', json({ signal, by: writer.by }));
  }

  /** Ends the whole process family. Resolves when the log is closed. */
  async end(times: EndingTimes = ENDING_TIMES): Promise<void> {
    if (this.#state === 'closed') return;
    this.#closedReason = 'deleted';
    this.#runs?.expectEnd();
    await endFamily(this.#leader, this.spec.id, times);
    // A process that may not be ended can keep the output open; the log ends all the same.
    if (!this.isClosed) this.#program?.abandon();
    await this.closed;
  }

  #resolveClosed: () => void = () => undefined;
  readonly closed = new Promise<void>((resolve) => {
    this.#resolveClosed = resolve;
  });

  trim(maxBytes: number): void {
    if (this.isClosed) return;
    this.#log.trim({ maxBytes, olderThan: this.#time.now() - this.spec.retainMs });
  }

  #programOnExit(status: ExitStatus): void {
    const record: ExitRecord = { ...status, exitedAt: Date.now() };
    this.#hasExited = true;
    this.#runs?.stop();
    this.#input.stop();
    this.#audit.flush();
    this.#exitRecorded = this.#recordExit(record);
  }

  async #recordExit(record: ExitRecord): Promise<void> {
    while (true) {
      try {
        await writeExitRecord(this.spec.dir, record);
        break;
      } catch (error) {
        if (!refusesWrites(error)) {
          // The directory was removed, for example. The log still has the exit.
          console.error(new Date().toISOString(), this.spec.id, 'the exit record cannot be written', error);
          break;
        }
        // The same cause stalls the log. The exit is reported only after it is on the disk.
        await new Promise((resolve) => setTimeout(resolve, DISK_RETRY_MS));
      }
    }
    this.#exit = record;
    this.#state = 'exited';
    this.#append('exit', json({ exitCode: record.exitCode, signal: record.signal }));
    this.#events.changed(this);
  }

  async #close(): Promise<void> {
    await this.#exitRecorded;
    this.trim(this.spec.retainBytes);
    this.#append('closed', json({ reason: this.#closedReason }));
    while (this.#refused.length > 0) await new Promise((resolve) => setTimeout(resolve, DISK_RETRY_MS));
    clearInterval(this.#trimTimer);
    this.#state = 'closed';
    this.#events.changed(this);
    await this.#log.close();
    this.#resolveClosed();
  }

  /**
   * Appends an entry; the only access to the log. Entries that a full disk refused wait, and no later entry overtakes
   * them.
   */
  #append(kind: EntryKind, bytes: Uint8Array): void {
    if (this.#refused.length > 0 || !this.#appendNow(kind, bytes)) {
      // A copy: the bytes are in a buffer that all programs of the runner share, and slice() of a Buffer copies
      // nothing.
      this.#refused.push({ kind, bytes: Uint8Array.from(bytes) });
      this.#stall();
      return;
    }
    // The change of state that follows reports the end: no reader may see `closed` before the session is closed.
    if (kind !== 'closed') this.#events.grew(this);
  }

  #appendNow(kind: EntryKind, bytes: Uint8Array): boolean {
    if (this.#isBroken) return true;
    try {
      this.#log.append(kind, bytes, this.#clock.now());
      return true;
    } catch (error) {
      if (error instanceof BinnacleError && error.code === 'disk_full') return false;
      this.#breakOff(error);
      return true;
    }
  }

  /**
   * Ends the session after a failure of the log other than a full disk, with an error message: going on would lose
   * output.
   */
  #breakOff(error: unknown): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    console.error(new Date().toISOString(), this.spec.id, 'the log cannot be written; its program is ended', error);
    this.#program?.pause();
    void this.end();
  }

  #stall(): void {
    if (this.#diskRetry !== undefined) return;
    this.#program?.pause();
    this.#events.changed(this);
    this.#diskRetry = setInterval(() => this.#retryRefused(), DISK_RETRY_MS);
  }

  #retryRefused(): void {
    // The retention of this log may free space.
    this.#log.trim({ maxBytes: this.spec.retainBytes, olderThan: this.#time.now() - this.spec.retainMs });
    for (let first = this.#refused[0]; first !== undefined; first = this.#refused[0]) {
      if (!this.#appendNow(first.kind, first.bytes)) return;
      this.#refused.shift();
    }
    clearInterval(this.#diskRetry);
    this.#diskRetry = undefined;
    this.#events.grew(this);
    this.#events.changed(this);
    this.#program?.resume();
  }
}

/**
 * Returns the path by which a shell finds a directory of this process: the shell has another working directory, and an
 * absolute path would be wrong after a move of the data directory.
 */
const reachable = (dir: string): string => (isAbsolute(dir) ? dir : `/proc/${process.pid}/cwd/${dir}`);

const json = (value: EntryData[keyof EntryData] | RunEvent): Uint8Array => {
  const bytes = Buffer.from(JSON.stringify(value));
  return bytes.length <= MAX_ENTRY_BYTES ? bytes : bytes.subarray(0, 0);
};

const refusesWrites = (error: unknown): boolean => isDiskFull(error) || (error as NodeJS.ErrnoException).code === 'EIO';
