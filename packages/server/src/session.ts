// One program, its log and its helm, as the gateway sees them. Knows no transport. Read this second.

import { isAbsolute, join } from 'node:path';
import {
  BinnacleError,
  type Epoch,
  formatPosition,
  type InputReceipt,
  isRunId,
  type ProcessInfo,
  type RunInfo,
  type RunRequest,
  type SessionId,
  type SessionInfo,
  type SessionState,
  type SignalName,
} from '@binnacle/protocol';
import { uuidv7 } from 'uuidv7';
import type { SessionChange, SessionRecord } from './catalogue/sessions.ts';
import type { Head, LogReader } from './log/log.ts';
import { PageCache } from './log/page-cache.ts';
import type { SegmentFiles } from './log/segment-files.ts';
import { SegmentReader } from './log/segment-reader.ts';
import type { EndingTimes } from './process/ending.ts';
import { checkCwd } from './process/launcher.ts';
import { RunRecords, sameRun } from './runner/run-record.ts';
import type { HostedStatus, Request, RunnerReceipt } from './runner/wire.ts';
import { GuardedInput, type NumberedMessage, type SessionGuard } from './session-guard.ts';
import { Helm, type HelmRecord, type HelmTimes } from './steering/helm.ts';

/** A burst is collected until a page is full or this long: frames of 4 KiB cost a viewer ten times as much a byte. */
const BURST_MS = 2;
/** What one read of a PTY gives when it floods; less than that is somebody typing, and is passed on at once. */
const BURST_BYTES = 3 * 1024;

/** Its number is used up: it is not asked about again. */
const VETOED_BEFORE = 'A plugin did not allow it when it came first.';

/** A life goes one way. */
const RANK: Readonly<Record<SessionState, number>> = { starting: 0, running: 1, exited: 2, closed: 3, lost: 3 };

const NO_GUARDS = {};

/** Who writes its log and owns its program, as far as there is one here: a runner, or the ingest of what runs elsewhere. */
export interface SessionHost {
  /** Rejects with `session_exited` where it is over, and `session_foreign` where nobody here could do it. */
  request(id: string, request: Request, payload?: Uint8Array, answerMs?: number): Promise<unknown>;
  /** Says `grew` once the log is beyond `place`. */
  watch(id: string, place: number, pace: { readonly atLeast: number; readonly withinMs: number }): void;
}

export interface SessionParts {
  /** Holds its log and the records of its runs. */
  readonly dir: string;
  readonly host: SessionHost;
  readonly pages: {
    readonly cache: PageCache;
    readonly files: SegmentFiles;
    readonly pageBytes: number;
    readonly headroom: number;
  };
  readonly helmTimes: HelmTimes;
  save(change: SessionChange): void;
  /** Its state, size, exit or helm is another now. */
  changed(session: Session): void;
  /** Nobody, until plugins are there. */
  guard(): SessionGuard | undefined;
  readonly helmRecord: HelmRecord;
  saveHelm(record: HelmRecord): void;
}

/** Told of everything but output, which is read from the log. */
export interface SessionListener {
  /** Its state, size, exit or helm is another now. */
  changed?(session: Session): void;
  deleted?(session: Session): void;
  /** A run is another than it was: queued, running, ended. */
  ran?(session: Session, run: RunInfo): void;
}

export class Session {
  readonly id: SessionId;
  readonly helm: Helm;
  readonly #parts: SessionParts;
  readonly #listeners = new Set<SessionListener>();
  #record: SessionRecord;
  /** Set while a runner hosts it. */
  #status: HostedStatus | undefined;
  #reader: SegmentReader | undefined;
  #isBursting = false;
  /** What waits for somebody's verdict on it. */
  #guarded: GuardedInput | undefined;

  constructor(record: SessionRecord, parts: SessionParts) {
    this.id = record.id;
    this.#record = record;
    this.#parts = parts;
    this.helm = new Helm(parts.helmRecord, {
      times: parts.helmTimes,
      events: {
        raiseFence: async (fence) => {
          if (this.isHosted) await parts.host.request(this.id, { t: 'fence', id: this.id, fence });
        },
        changed: () => this.#tell(),
        save: (helm) => parts.saveHelm(helm),
      },
    });
  }

  /** A runner has it, or should, or it goes on elsewhere: its log can grow. */
  get isHosted(): boolean {
    return this.#record.state !== 'closed' && this.#record.state !== 'lost';
  }

  /** Its program runs elsewhere: nobody steers it here. */
  get isForeign(): boolean {
    return this.#record.foreign !== null;
  }

  get record(): SessionRecord {
    return this.#record;
  }

  /** As far as we know; `refresh` first where it must be the newest. */
  get info(): SessionInfo {
    const record = this.#record;
    const status = this.#status;
    const log = this.#reader;
    const head = log?.head ?? status?.head ?? record.head ?? { place: 0, offset: 0 };
    const epoch = (log?.epoch ?? status?.epoch ?? record.epoch ?? '') as Epoch;
    return {
      id: this.id,
      name: record.name,
      state: record.state,
      running: record.state === 'running' || record.state === 'starting',
      mode: record.spec.mode,
      argv: record.spec.argv,
      cwd: record.spec.cwd,
      cols: record.spec.cols,
      rows: record.spec.rows,
      pid: record.pid,
      exitCode: record.exitCode,
      signal: record.signal,
      epoch,
      outputOffset: head.offset,
      oldestOffset: log?.oldest.offset ?? status?.oldest.offset ?? 0,
      syncedOffset: status?.synced.offset ?? head.offset,
      position: epoch === '' ? '' : formatPosition({ epoch, ...head }),
      createdAt: record.createdAt,
      exitedAt: record.exitedAt,
      lease: this.helm.info,
      stalled: status?.stalled ?? null,
      runs: this.takesRuns ? (status?.runs ?? { current: null, queued: 0 }) : null,
      foreign: record.foreign,
    };
  }

  /** Throws `session_gone` where there is no log (any more), `runner_unavailable` while it has not started. */
  get log(): LogReader {
    this.#reader ??= this.#openLog();
    return this.#reader;
  }

  /**
   * A reader of its own that hands entries out as they were written, each with its time. It has to be advanced when
   * `onWait` was called and `log` has grown, and to be closed. Throws as `log`.
   */
  openEntries(onWait: (place: number) => void): SegmentReader {
    const { epoch, head } = this.log;
    return SegmentReader.open(join(this.#parts.dir, 'log'), {
      ...{ epoch, head, onWait },
      // It reads once: what others want again stays in theirs.
      cache: new PageCache({ maxBytes: 0 }),
      mergeMs: Number.NEGATIVE_INFINITY,
    });
  }

  listen(listener: SessionListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get hasListeners(): boolean {
    return this.#listeners.size > 0;
  }

  /**
   * Asks the runner how far it is. A session that no runner hosts is as far as it will ever be. Throws
   * `runner_unavailable` where it does not answer: what is known may then be less than a viewer has seen.
   */
  async refresh(answerMs?: number): Promise<void> {
    if (!this.isHosted) return;
    try {
      const status = await this.#parts.host.request(this.id, { t: 'status', id: this.id }, undefined, answerMs);
      this.update(status as HostedStatus);
    } catch (error) {
      // It closed in between: the last word on it has come with that.
      if (!(error instanceof BinnacleError) || error.code !== 'session_exited') throw error;
    }
  }

  /** What the runner said. */
  update(status: HostedStatus): void {
    const before = this.#record;
    // The answer to a question can come in one read with later news, and is then handled after them.
    if (RANK[status.state] < RANK[before.state]) return;
    const isClosed = status.state === 'closed';
    const wasStalled = this.#status?.stalled ?? null;
    const isFirst = this.#status === undefined;
    this.#status = isClosed ? undefined : status;
    if (isFirst) this.helm.catchUp(status.fence);
    const change: SessionChange = {
      state: status.state,
      epoch: status.epoch,
      pid: status.pid,
      exitCode: status.exitCode,
      signal: status.signal,
      exitedAt: status.exitedAt,
      cols: status.cols,
      rows: status.rows,
      ...(isClosed ? { head: status.head } : {}),
    };
    const isSame =
      before.state === status.state &&
      before.pid === status.pid &&
      before.spec.cols === status.cols &&
      before.spec.rows === status.rows;
    if (!isSame) this.#save(change);
    // Behind the change: who reads the end of the log now is told the state that goes with it.
    this.#reader?.setOldest(status.oldest);
    this.#reader?.advance(status.head);
    // This may be the first word on a new connection to the runner, which knows of no watch.
    if (!isClosed) this.#reader?.remind();
    if (isSame && status.stalled === wasStalled) return;
    if (isClosed) this.#ended();
    this.#tell();
  }

  grew(head: Head, oldest: Head): void {
    const reader = this.#reader;
    if (reader === undefined) return;
    this.#isBursting = head.place - reader.head.place >= BURST_BYTES;
    reader.setOldest(oldest);
    reader.advance(head);
  }

  /** Of a foreign one: an event came. Kept also where nobody reads: a list shows it, and a reader begins with it. */
  heard(at: number, head: Head, oldest: Head, synced: Head): void {
    const { foreign } = this.#record;
    if (foreign !== null) this.#record = { ...this.#record, head, foreign: { ...foreign, heardAt: at } };
    if (this.#status !== undefined) this.#status = { ...this.#status, head, oldest, synced };
    this.grew(head, oldest);
  }

  /** Its runner is gone, or it was foreign and has ended; this is what the log and the exit record say. */
  close(change: SessionChange & { readonly head: Head }): void {
    const wasHosted = this.isHosted;
    this.#status = undefined;
    this.#save(change);
    this.#reader?.advance(change.head);
    if (wasHosted) this.#ended();
    else this.helm.end();
    this.#tell();
  }

  /** Once in its life. */
  #ended(): void {
    this.helm.end();
    const { state, name, exitCode, signal, hidden } = this.#record;
    if (hidden || (state !== 'closed' && state !== 'lost')) return;
    this.#parts.guard()?.ended({ session: this.id, name, state, exitCode, signal });
  }

  /** Throws `lease_held`, `lease_lost`, `session_exited`, `stdin_closed`, `input_full`, `input_gap`, `vetoed`. */
  async write(bytes: Uint8Array, by: Steering, message?: NumberedMessage): Promise<InputReceipt> {
    const writer = this.#admit(by);
    const { host } = this.#parts;
    const send = (part: Uint8Array, admitted = this.#admit(by)): Promise<RunnerReceipt> =>
      host.request(this.id, { t: 'input', id: this.id, writer: admitted, ...message }, part) as Promise<RunnerReceipt>;
    const { guard, input } = this.#guards;
    if (guard === undefined || input === undefined) return await send(bytes, writer);
    const event = () => ({ session: this.id, text: Buffer.from(bytes).toString(), by: writer.by });
    // The helm may be another's when the verdict is there.
    const { wasEmpty, ...receipt } = await (input.isNeeded
      ? input.pass(event(), bytes, message, async (part) => await send(part))
      : send(bytes, writer));
    if (wasEmpty === true && bytes.length > 0) throw new BinnacleError('vetoed', { message: VETOED_BEFORE });
    if (guard.isTold && !receipt.duplicate) guard.after(event());
    return receipt;
  }

  async closeInput(by: Steering): Promise<void> {
    const writer = this.#admit(by);
    const close = (admitted = this.#admit(by)): Promise<unknown> =>
      this.#parts.host.request(this.id, { t: 'close_input', id: this.id, writer: admitted });
    const { input } = this.#guards;
    await (input?.isNeeded === true ? input.inTurn(0, async () => await close()) : close(writer));
  }

  async signal(signal: SignalName, by: Steering): Promise<void> {
    await this.#parts.host.request(this.id, { t: 'signal', id: this.id, writer: this.#admit(by), signal });
  }

  async resize(cols: number, rows: number, by: Steering): Promise<void> {
    const writer = this.#admit(by);
    if (this.#record.spec.mode !== 'pty') throw new BinnacleError('not_a_tty');
    await this.#parts.host.request(this.id, { t: 'resize', id: this.id, writer, cols, rows });
  }

  get takesRuns(): boolean {
    return this.#record.spec.takesRuns;
  }

  /**
   * Takes a command for its shell; of an id that is there already, tells that run. Throws `no_runs`, `run_exists`,
   * `shell_busy`, `too_many_runs`, `bad_request`, `session_foreign`, `vetoed`, and what `write` throws.
   */
  async run(request: RunRequest, by: Steering): Promise<RunInfo> {
    if (this.isForeign) throw new BinnacleError('session_foreign');
    const records = this.#needRuns();
    const id = request.id ?? uuidv7();
    if (!isRunId(id)) {
      throw new BinnacleError('bad_request', { message: 'A run id is 1 to 64 of A-Z, a-z, 0-9, ".", "_" and "-".' });
    }
    if (request.command.trim() === '') throw new BinnacleError('bad_request', { message: 'The command is empty.' });
    if (request.cwd !== undefined) {
      if (!isAbsolute(request.cwd))
        throw new BinnacleError('bad_cwd', { message: 'cwd is not an absolute path.', hint: 'Begin it with a slash.' });
      checkCwd(request.cwd);
    }
    if (!this.isHosted) {
      const known = records.read(id);
      if (known !== undefined) return this.#settled(sameRun(known, request));
    }
    const writer = this.#admit(by);
    const start = (admitted = this.#admit(by)): Promise<RunInfo> =>
      this.#parts.host.request(this.id, {
        t: 'run',
        id: this.id,
        writer: admitted,
        run: id,
        request,
      }) as Promise<RunInfo>;
    const { guard, input } = this.#guards;
    const isWatched = input?.isNeeded === true || guard?.isTold === true;
    if (guard === undefined || input === undefined || !isWatched) return await start(writer);
    const event = { session: this.id, text: request.command, by: writer.by };
    // Sent again, it runs already.
    const isNew = records.read(id) === undefined;
    const run = await (input.isNeeded ? input.passRun(event, isNew, async () => await start()) : start(writer));
    if (guard.isTold && isNew) guard.after(event);
    return run;
  }

  /** As it is now; also after its end, and the session's. Throws `no_runs`, `run_not_found`. */
  findRun(id: string): RunInfo {
    const run = this.#needRuns().read(id);
    if (run === undefined) throw new BinnacleError('run_not_found');
    return this.#settled(run);
  }

  /** Oldest first. */
  listRuns(): RunInfo[] {
    return this.#needRuns()
      .list()
      .map((run) => this.#settled(run));
  }

  /** Interrupts it, then ends it; the session goes on. Resolves when it has ended, at once when it had. */
  async cancelRun(id: string, by: Steering): Promise<RunInfo> {
    const run = this.findRun(id);
    if (run.state === 'ended') return run;
    const writer = this.#admit(by);
    try {
      const request = { t: 'cancel_run', id: this.id, writer, run: id } as const;
      return (await this.#parts.host.request(this.id, request)) as RunInfo;
    } catch (error) {
      if (!(error instanceof BinnacleError) || error.code !== 'session_exited') throw error;
      return this.findRun(id);
    }
  }

  /** What its runs have started and left running. */
  async listProcesses(): Promise<ProcessInfo[]> {
    this.#needRuns();
    if (!this.isHosted) return [];
    return (await this.#parts.host.request(this.id, { t: 'processes', id: this.id })) as ProcessInfo[];
  }

  /** What the runner said of one of its runs. */
  ran(run: RunInfo, runs: HostedStatus['runs']): void {
    if (this.#status !== undefined) this.#status = { ...this.#status, runs };
    for (const listener of [...this.#listeners]) listener.ran?.(this, run);
  }

  #needRuns(): RunRecords {
    if (!this.takesRuns) throw new BinnacleError('no_runs');
    return new RunRecords(this.#parts.dir);
  }

  /** A runner that died could not say how its runs ended. */
  #settled(run: RunInfo): RunInfo {
    if (run.state === 'ended' || this.isHosted) return run;
    const outcome = this.#record.state === 'lost' ? 'lost' : 'session_ended';
    return { ...run, state: 'ended', endedAt: this.#record.exitedAt, outcome };
  }

  /** Ends the program and all it has started. Resolves when its log is closed. */
  async end(times?: EndingTimes): Promise<void> {
    if (!this.isHosted) return;
    try {
      await this.#parts.host.request(
        this.id,
        times === undefined ? { t: 'end', id: this.id } : { t: 'end', id: this.id, times },
      );
    } catch (error) {
      // It closed by itself in between, which is what was asked for.
      if (!(error instanceof BinnacleError) || error.code !== 'session_exited') throw error;
    }
  }

  trim(maxBytes: number): Promise<unknown> {
    return this.#parts.host.request(this.id, { t: 'trim', id: this.id, maxBytes });
  }

  /** It is deleted: nobody will read it again. */
  forget(): void {
    this.helm.stop();
    for (const listener of [...this.#listeners]) listener.deleted?.(this);
    this.release();
  }

  /** Lets go of descriptors and cached pages. The next read opens them again. */
  release(): void {
    this.#reader?.close();
    this.#reader = undefined;
  }

  /** Of an agent's own process, whose input is its protocol: none. */
  get #guards(): { readonly guard?: SessionGuard; readonly input?: GuardedInput } {
    const guard = this.#record.hidden ? undefined : this.#parts.guard();
    if (guard === undefined) return NO_GUARDS;
    this.#guarded ??= new GuardedInput(guard);
    return { guard, input: this.#guarded };
  }

  #admit(by: Steering): { fence: number; by: string } {
    if (!this.isHosted) throw new BinnacleError('session_exited');
    if (this.isForeign) throw new BinnacleError('session_foreign');
    return this.helm.admit(by.name, by.lease, by.connection);
  }

  #openLog(): SegmentReader {
    const { pageBytes, ...pages } = this.#parts.pages;
    const status = this.#status;
    const head = status?.head ?? this.#record.head ?? undefined;
    return SegmentReader.open(join(this.#parts.dir, 'log'), {
      ...pages,
      pageBytes,
      ...(head === undefined ? {} : { head }),
      onWait: (place) => {
        const pace = this.#isBursting ? { atLeast: pageBytes, withinMs: BURST_MS } : { atLeast: 1, withinMs: 0 };
        this.#parts.host.watch(this.id, place, pace);
      },
    });
  }

  #save(change: SessionChange): void {
    const { cols, rows, ...rest } = change;
    const spec = { ...this.#record.spec, cols: cols ?? this.#record.spec.cols, rows: rows ?? this.#record.spec.rows };
    this.#record = { ...this.#record, ...rest, spec };
    this.#parts.save(change);
  }

  #tell(): void {
    this.#parts.changed(this);
    for (const listener of [...this.#listeners]) listener.changed?.(this);
  }
}

/** Who steers, and by what right. */
export interface Steering {
  /** Shown in the log and to the others. */
  readonly name: string;
  readonly lease?: string;
  readonly connection?: string;
}
