// A session: one program, its log and its lease, as the gateway sees them. Read this file second.

import { join } from 'node:path';
import {
  BinnacleError,
  defined,
  type InputReceipt,
  type RunInfo,
  type SessionActivity,
  type SessionId,
  type SessionInfo,
  type SessionState,
  type SignalName,
} from '@binnacle/protocol';
import type { StoredLease, WritePermit } from '../lease/write-lease.ts';
import type { Head, LogReader, Pace } from '../log/log.ts';
import { PageCache } from '../log/page-cache.ts';
import { type LogProgress, type ProgressQuery, progressOf } from '../log/progress.ts';
import type { SegmentFiles } from '../log/segment-files.ts';
import { SegmentReader } from '../log/segment-reader.ts';
import type { EndingTimes } from '../process/termination.ts';
import type { HostedStatus, RunnerReceipt, RunnerRequest } from '../runner/wire.ts';
import type { SessionChange, SessionRecord } from '../store/sessions.ts';
import { GrowthRequests } from './growth-requests.ts';
import { GuardedInput, type GuardedSession, type NumberedMessage, type SessionGuard } from './input-hooks.ts';
import { SessionLease, type SessionLeaseTimes, type Steering } from './lease.ts';
import { type RunsOf, SessionRuns } from './runs.ts';
import { sessionInfoOf } from './session-info.ts';

export type { Steering };

/** Message for numbered input that a plugin vetoed on its first arrival. The number is used up. */
const VETOED_BEFORE = 'A plugin did not allow the message when it first arrived.';

/** Order of the states. A session never goes back to a lower rank. */
const RANK: Readonly<Record<SessionState, number>> = { starting: 0, running: 1, exited: 2, closed: 3, lost: 3 };

/** The writer of the session's log: a runner that owns the program, or the ingest of a foreign session. */
export interface SessionHost {
  /** Rejects with `session_exited` after the end, and with `session_foreign` for a program that runs elsewhere. */
  request(id: string, request: RunnerRequest, payload?: Uint8Array, answerMs?: number): Promise<unknown>;
  /** Calls `Session.appended` when the log is beyond `place` by as much as the pace says, up to `reports` times. */
  watch(id: string, place: number, pace: Pace, reports: number): void;
}

export interface SessionParts {
  /** Directory of the log and of the records of runs. */
  readonly dir: string;
  readonly host: SessionHost;
  readonly pages: {
    readonly cache: PageCache;
    readonly files: SegmentFiles;
    readonly pageBytes: number;
    readonly headroom: number;
  };
  readonly leaseTimes: SessionLeaseTimes;
  save(change: SessionChange): void;
  /** Called after each change of state, size, exit, lease or activity. */
  changed(session: Session): void;
  /** Called for each input from a person or a client. */
  typed(session: Session): void;
  /** Called for each change of a run. */
  ran(session: Session, run: RunInfo): void;
  /** The plugins' hooks; undefined while the gateway takes over the sessions of an earlier one. */
  guard(): SessionGuard | undefined;
  readonly leaseRecord: StoredLease;
  saveLease(record: StoredLease): void;
}

/** Listener to one session. Output is not among the events: listeners read it from the log. */
export interface SessionListener {
  /** Called after each change of state, size, exit, lease or activity. */
  changed?(session: Session): void;
  /** Called for each input but the automatic replies of a terminal. */
  typed?(session: Session): void;
  deleted?(session: Session): void;
  /** Called when a run is queued, starts or ends. */
  ran?(session: Session, run: RunInfo): void;
}

export class Session {
  readonly id: SessionId;
  readonly lease: SessionLease;
  /** Runs of a shell that accepts them: see `takesRuns`. */
  readonly runs: SessionRuns;
  readonly #parts: SessionParts;
  readonly #listeners = new Set<SessionListener>();
  #record: SessionRecord;
  /** Last status from the runner; undefined while no runner hosts the session. */
  #status: HostedStatus | undefined;
  #reader: SegmentReader | undefined;
  readonly #growth: GrowthRequests;
  #activity: SessionActivity | null = null;
  #isOldActivity = false;
  /** Input that waits for the verdict of a plugin. */
  #input: GuardedInput | undefined;

  constructor(record: SessionRecord, parts: SessionParts) {
    this.id = record.id;
    this.#record = record;
    this.#parts = parts;
    this.#growth = new GrowthRequests(parts.pages.pageBytes, (...request) => parts.host.watch(this.id, ...request));
    this.lease = new SessionLease(parts.leaseRecord, {
      times: parts.leaseTimes,
      events: {
        raiseFence: async (fence) => {
          if (this.isHosted) await parts.host.request(this.id, { t: 'fence', id: this.id, fence });
        },
        changed: () => {
          // The end of the program ends the lease, and notifies by itself.
          if (this.isHosted) this.#notify();
        },
        save: (lease) => parts.saveLease(lease),
      },
    });
    if (!this.isHosted) this.lease.end();
    const asItsRunsSee: RunsOf = {
      record: () => this.#record,
      isHosted: () => this.isHosted,
      guarded: () => this.#guarded,
      admit: (by) => this.#admit(by),
      ask: (request) => parts.host.request(this.id, request),
    };
    this.runs = new SessionRuns(asItsRunsSee, parts.dir);
  }

  /** True while the log can grow: a runner or a foreign emitter has the session. */
  get isHosted(): boolean {
    return this.#record.state !== 'closed' && this.#record.state !== 'lost';
  }

  /** True if the program runs elsewhere: this gateway cannot steer it. */
  get isForeign(): boolean {
    return this.#record.foreign !== null;
  }

  get record(): SessionRecord {
    return this.#record;
  }

  /** The session as this gateway last learned of it. Call `refresh` first if the answer must be current. */
  get info(): SessionInfo {
    const { activity } = this;
    return sessionInfoOf(this.#record, { status: this.#status, log: this.#reader, lease: this.lease.info, activity });
  }

  /** The last reported activity; null if the program does not run or nothing can detect its activity. */
  get activity(): SessionActivity | null {
    const { state } = this.#record;
    return state === 'running' || state === 'starting' ? this.#activity : null;
  }

  /** True if an earlier gateway process set the activity. A flag: times of that process are of another clock. */
  get isOldActivity(): boolean {
    return this.#isOldActivity;
  }

  /** Sets the activity that the activity follower detected. `isOld`: an earlier gateway process set it. */
  setActivity(activity: SessionActivity | null, isOld = false): void {
    if (this.#activity === activity) return;
    this.#activity = activity;
    this.#isOldActivity = isOld;
    // A change of state follows at the end of the program, and notifies the listeners.
    if (activity !== null) this.#notify();
  }

  /** Throws `session_gone` without a log, and `runner_unavailable` before the program has started. */
  get log(): LogReader {
    this.#reader ??= this.#openLog();
    return this.#reader;
  }

  /**
   * Opens a separate reader that returns entries as they were written, each with its time. The caller advances the
   * reader when `log` has grown after `onWait`, and closes it. Throws as `log`.
   */
  openEntries(onWait: (place: number) => void): SegmentReader {
    const { epoch, head } = this.log;
    return SegmentReader.open(join(this.#parts.dir, 'log'), {
      ...{ epoch, head, onWait },
      // This reader reads each page once; a cache would only push out pages that viewers share.
      cache: new PageCache({ maxBytes: 0 }),
      mergeMs: Number.NEGATIVE_INFINITY,
    });
  }

  /** Counts output over time, as far as the time limit of `ask` allows. Throws as `log`. */
  async progress(ask: ProgressQuery): Promise<LogProgress> {
    return await progressOf(join(this.#parts.dir, 'log'), this.log, ask);
  }

  listen(listener: SessionListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get hasListeners(): boolean {
    return this.#listeners.size > 0;
  }

  /**
   * Asks the runner for the current status. Does nothing for a session that no runner hosts. Throws
   * `runner_unavailable` without an answer: `info` may then show less than a viewer has seen.
   */
  async refresh(answerMs?: number): Promise<void> {
    if (!this.isHosted) return;
    try {
      const status = await this.#parts.host.request(this.id, { t: 'status', id: this.id }, undefined, answerMs);
      this.update(status as HostedStatus);
    } catch (error) {
      // The session closed during the request, and the final status came with the close.
      if (!(error instanceof BinnacleError) || error.code !== 'session_exited') throw error;
    }
  }

  /** Applies a status from the runner. */
  update(status: HostedStatus): void {
    const before = this.#record;
    // One read can contain a status answer and later events; the older answer is then handled last.
    if (RANK[status.state] < RANK[before.state]) return;
    const isClosed = status.state === 'closed';
    const wasStalled = this.#status?.stalled ?? null;
    const isFirst = this.#status === undefined;
    this.#status = isClosed ? undefined : status;
    if (isFirst) this.lease.catchUp(status.fence);
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
    // After the change: a reader that reaches the end of the log now sees the state that belongs to the end.
    this.#reader?.setOldest(status.oldest);
    this.#reader?.advance(status.head);
    // This may be the first status on a new connection, on which the runner has no watch yet.
    if (!isClosed) this.#reader?.remind();
    if (isSame && status.stalled === wasStalled) return;
    if (isClosed) this.#ended();
    this.#notify();
  }

  /** Takes a report of growth that `SessionHost.watch` asked for; `left` more come without another call. */
  appended(head: Head, oldest: Head, left: number): void {
    const reader = this.#reader;
    if (reader === undefined) return;
    const goesOn = this.#growth.take(head.place - reader.head.place, left);
    reader.setOldest(oldest);
    reader.takeReport(head, goesOn);
  }

  /** Records an event of a foreign session, with or without readers: the session list shows its time. */
  recordForeignEvent(at: number, head: Head, oldest: Head, synced: Head): void {
    const { foreign } = this.#record;
    if (foreign !== null) this.#record = { ...this.#record, head, foreign: { ...foreign, heardAt: at } };
    if (this.#status !== undefined) this.#status = { ...this.#status, head, oldest, synced };
    this.#reader?.setOldest(oldest);
    this.#reader?.advance(head);
  }

  /** Closes the session from its log and exit record, after the runner died or the emitter ended. */
  close(change: SessionChange & { readonly head: Head }): void {
    const wasHosted = this.isHosted;
    this.#status = undefined;
    this.#save(change);
    this.#reader?.advance(change.head);
    if (wasHosted) this.#ended();
    else this.lease.end();
    this.#notify();
  }

  /** Ends the lease and notifies plugins; called once per session. */
  #ended(): void {
    this.lease.end();
    const { state, name, exitCode, signal, hidden } = this.#record;
    if (hidden || (state !== 'closed' && state !== 'lost')) return;
    this.#parts.guard()?.ended({ session: this.id, name, state, exitCode, signal });
  }

  /** Throws `lease_held`, `lease_lost`, `session_exited`, `stdin_closed`, `input_full`, `input_gap`, `vetoed`. */
  async write(bytes: Uint8Array, by: Steering, message?: NumberedMessage): Promise<InputReceipt> {
    const writer = this.#admit(by);
    const { host } = this.#parts;
    const send = (part: Uint8Array, admitted = this.#admit(by)): Promise<RunnerReceipt> => {
      if (!isReply(part)) this.#parts.typed(this);
      return host.request(
        this.id,
        { t: 'input', id: this.id, writer: admitted, ...message },
        part,
      ) as Promise<RunnerReceipt>;
    };
    const guarded = this.#guarded;
    if (guarded === undefined) return await send(bytes, writer);
    const { guard, input } = guarded;
    const event = () => ({ session: this.id, text: Buffer.from(bytes).toString(), by: writer.by });
    // Each part is admitted again: another client may have taken the lease before the verdict.
    const { wasEmpty, ...receipt } = await (input.isNeeded
      ? input.pass(event(), bytes, message, async (part) => await send(part))
      : send(bytes, writer));
    if (wasEmpty === true && bytes.length > 0) throw new BinnacleError('vetoed', { message: VETOED_BEFORE });
    if (guard.observesInput && !receipt.duplicate) guard.after(event());
    return receipt;
  }

  async closeInput(by: Steering): Promise<void> {
    const writer = this.#admit(by);
    const close = (admitted = this.#admit(by)): Promise<unknown> =>
      this.#parts.host.request(this.id, { t: 'close_input', id: this.id, writer: admitted });
    const input = this.#guarded?.input;
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

  /** Applies the runner's report on one run. */
  ran(run: RunInfo, runs: HostedStatus['runs']): void {
    if (this.#status !== undefined) this.#status = { ...this.#status, runs };
    this.#parts.ran(this, run);
    for (const listener of [...this.#listeners]) listener.ran?.(this, run);
  }

  /** Ends the program and all its descendants. Resolves when the log is closed. */
  async end(times?: EndingTimes): Promise<void> {
    if (!this.isHosted) return;
    try {
      await this.#parts.host.request(
        this.id,
        times === undefined ? { t: 'end', id: this.id } : { t: 'end', id: this.id, times },
      );
    } catch (error) {
      // The session closed by itself during the request, which has the same result.
      if (!(error instanceof BinnacleError) || error.code !== 'session_exited') throw error;
    }
  }

  trim(maxBytes: number): Promise<unknown> {
    return this.#parts.host.request(this.id, { t: 'trim', id: this.id, maxBytes });
  }

  /** Releases everything of a deleted session. */
  forget(): void {
    this.lease.stop();
    for (const listener of [...this.#listeners]) listener.deleted?.(this);
    this.release();
  }

  /** Closes descriptors and drops cached pages. The next read opens them again. */
  release(): void {
    this.#reader?.close();
    this.#reader = undefined;
  }

  /** Input hooks; none for the process of an agent, whose input is the agent's protocol. */
  get #guarded(): GuardedSession | undefined {
    const guard = this.#record.hidden ? undefined : this.#parts.guard();
    if (guard === undefined) return undefined;
    this.#input ??= new GuardedInput(guard);
    return { guard, input: this.#input };
  }

  #admit(by: Steering): WritePermit {
    if (!this.isHosted) throw new BinnacleError('session_exited');
    if (this.isForeign) throw new BinnacleError('session_foreign');
    return this.lease.admit(by.name, by.lease, by.connection);
  }

  #openLog(): SegmentReader {
    const status = this.#status;
    const head = status?.head ?? this.#record.head ?? undefined;
    return SegmentReader.open(join(this.#parts.dir, 'log'), {
      ...this.#parts.pages,
      ...defined({ head }),
      onWait: (place, pace) => this.#growth.request(place, pace),
    });
  }

  #save(change: SessionChange): void {
    const { cols, rows, ...rest } = change;
    const spec = { ...this.#record.spec, cols: cols ?? this.#record.spec.cols, rows: rows ?? this.#record.spec.rows };
    this.#record = { ...this.#record, ...rest, spec };
    this.#parts.save(change);
  }

  #notify(): void {
    this.#parts.changed(this);
    for (const listener of [...this.#listeners]) listener.changed?.(this);
  }
}

/** Tells whether input is an automatic reply of a terminal: focus, cursor position or device attributes. */
const isReply = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x1b &&
  bytes.length < 64 &&
  /^.\[(?:[IO]|\??[\d;]*[Rn]|[?>=][\d;]*c)$/.test(Buffer.from(bytes).toString());
