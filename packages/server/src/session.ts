// One program, its log and its helm, as the gateway sees them. Knows no transport. Read this second.

import { join } from 'node:path';
import {
  BinnacleError,
  type Epoch,
  formatPosition,
  type InputReceipt,
  type LostReason,
  type RunInfo,
  type SessionActivity,
  type SessionId,
  type SessionInfo,
  type SessionState,
  type SignalName,
} from '@binnacle/protocol';
import type { SessionChange, SessionRecord } from './catalogue/sessions.ts';
import { labelsOf } from './labels.ts';
import type { Head, LogReader } from './log/log.ts';
import { PageCache } from './log/page-cache.ts';
import { type Progress, type ProgressAsk, progressOf } from './log/progress.ts';
import type { SegmentFiles } from './log/segment-files.ts';
import { SegmentReader } from './log/segment-reader.ts';
import type { EndingTimes } from './process/ending.ts';
import type { HostedStatus, Request, RunnerReceipt } from './runner/wire.ts';
import { type Guarded, GuardedInput, type NumberedMessage, type SessionGuard } from './session-guard.ts';
import { type RunsOf, SessionRuns } from './session-runs.ts';
import { type Admitted, Helm, type HelmRecord, type HelmTimes, type Steering } from './steering/helm.ts';

export type { Steering };

/** A burst is collected until a page is full or this long: frames of 4 KiB cost a viewer ten times as much a byte. */
const BURST_MS = 2;
/** What one read of a PTY gives when it floods; less than that is somebody typing, and is passed on at once. */
const BURST_BYTES = 3 * 1024;

/** Its number is used up: it is not asked about again. */
const VETOED_BEFORE = 'A plugin did not allow it when it came first.';

/** A life goes one way. */
const RANK: Readonly<Record<SessionState, number>> = { starting: 0, running: 1, exited: 2, closed: 3, lost: 3 };

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
  /** Its state, size, exit, helm or activity is another now. */
  changed(session: Session): void;
  /** Somebody writes to it. */
  typed(session: Session): void;
  /** Of one of its runs. */
  ran(session: Session, run: RunInfo): void;
  /** Nobody, until plugins are there. */
  guard(): SessionGuard | undefined;
  readonly helmRecord: HelmRecord;
  saveHelm(record: HelmRecord): void;
}

/** Told of everything but output, which is read from the log. */
export interface SessionListener {
  /** Its state, size, exit, helm or activity is another now. */
  changed?(session: Session): void;
  /** Somebody writes to it, by keys: not what a terminal answers by itself. */
  typed?(session: Session): void;
  deleted?(session: Session): void;
  /** A run is another than it was: queued, running, ended. */
  ran?(session: Session, run: RunInfo): void;
}

export class Session {
  readonly id: SessionId;
  readonly helm: Helm;
  /** Of a shell that takes them: `takesRuns`. */
  readonly runs: SessionRuns;
  readonly #parts: SessionParts;
  readonly #listeners = new Set<SessionListener>();
  #record: SessionRecord;
  /** Set while a runner hosts it. */
  #status: HostedStatus | undefined;
  #reader: SegmentReader | undefined;
  #isBursting = false;
  #activity: SessionActivity | null = null;
  #isOldActivity = false;
  /** What waits for somebody's verdict on it. */
  #input: GuardedInput | undefined;

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
    if (!this.isHosted) this.helm.end();
    const asItsRunsSee: RunsOf = {
      record: () => this.#record,
      isHosted: () => this.isHosted,
      guarded: () => this.#guarded,
      admit: (by) => this.#admit(by),
      ask: (request) => parts.host.request(this.id, request),
    };
    this.runs = new SessionRuns(asItsRunsSee, parts.dir);
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
      labels: labelsOf(record),
      activity: this.activity,
      ...(record.state === 'lost' ? { lostReason: this.#lostReason } : {}),
    };
  }

  /** Older rows have no reason: a session that was lost then had lost its runner, or its emitter. */
  get #lostReason(): LostReason {
    return this.#record.lostReason ?? (this.isForeign ? 'silent' : 'runner_died');
  }

  /** What it is doing, as was told last. Null where it does not run, or nobody can tell. */
  get activity(): SessionActivity | null {
    const { state } = this.#record;
    return state === 'running' || state === 'starting' ? this.#activity : null;
  }

  /** True for an activity from before this gateway. A flag, because times of another process are of another clock. */
  get isOldActivity(): boolean {
    return this.#isOldActivity;
  }

  /** Sets the activity, which another part watches. `isOld`: the activity is from before this gateway. */
  does(activity: SessionActivity | null, isOld = false): void {
    if (this.#activity === activity) return;
    this.#activity = activity;
    this.#isOldActivity = isOld;
    // Its end is told by itself.
    if (activity !== null) this.#tell();
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

  /** How its log came about over time, as far as that can be told in time. Throws as `log`. */
  async progress(ask: ProgressAsk): Promise<Progress> {
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

  /** What the runner said of one of its runs. */
  ran(run: RunInfo, runs: HostedStatus['runs']): void {
    if (this.#status !== undefined) this.#status = { ...this.#status, runs };
    this.#parts.ran(this, run);
    for (const listener of [...this.#listeners]) listener.ran?.(this, run);
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
  get #guarded(): Guarded | undefined {
    const guard = this.#record.hidden ? undefined : this.#parts.guard();
    if (guard === undefined) return undefined;
    this.#input ??= new GuardedInput(guard);
    return { guard, input: this.#input };
  }

  #admit(by: Steering): Admitted {
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

/** What a terminal says by itself: that it has the focus, where the cursor is, what it is. */
const isReply = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x1b &&
  bytes.length < 64 &&
  /^.\[(?:[IO]|\??[\d;]*[Rn]|[?>=][\d;]*c)$/.test(Buffer.from(bytes).toString());
