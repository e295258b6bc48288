// All sessions of a gateway: starts, finds, lists and deletes them, and takes them over from an earlier gateway.

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  BinnacleError,
  type CreateSession,
  isSessionId,
  OUTPUT_HEADER_BYTES,
  type SessionId,
  type SessionInfo,
  type SessionList,
  type SessionQuery,
} from '@binnacle/protocol';
import { uuidv7 } from 'uuidv7';
import type { Log } from '../base/logger.ts';
import { PAGE_BYTES } from '../log/page.ts';
import { PageCache } from '../log/page-cache.ts';
import { SegmentFiles } from '../log/segment-files.ts';
import { PtyLoader } from '../process/native-pty.ts';
import type { EndingTimes } from '../process/termination.ts';
import { type Fleet, LIST_MS } from '../runner/client/fleet.ts';
import type { HostedStatus } from '../runner/wire.ts';
import { describeSession } from '../store/recovery/descriptions.ts';
import type { SessionFilter, SessionRecord } from '../store/sessions.ts';
import type { Catalogue } from '../store/store.ts';
import { ForeignSessions } from './foreign-sessions.ts';
import type { SessionGuard } from './input-hooks.ts';
import { launchOf } from './launch.ts';
import type { SessionLeaseTimes } from './lease.ts';
import { listSessions } from './list.ts';
import { LostSessions } from './lost-sessions.ts';
import { OpenSessions } from './registry.ts';
import { Session, type SessionHost, type SessionListener, type SessionParts } from './session.ts';

export interface SessionsOptions {
  readonly dir: string;
  /**
   * Maximum sessions that are not closed. Each costs a PTY (kernel.pty.max is 4096 on most machines) and its processes.
   */
  readonly maxSessions: number;
  readonly segmentBytes: number;
  readonly retainBytes: number;
  readonly retainMs: number;
  readonly maxInputBytes: number;
  readonly maxQueuedRuns: number;
  readonly maxEndedRuns: number;
  readonly leaseTimes: SessionLeaseTimes;
  readonly endingTimes: EndingTimes;
  readonly passEnv: readonly string[];
  /** Returns additional environment variables for the programs of a session. Default: none. */
  readonly environmentOf?: (id: SessionId) => Readonly<Record<string, string>>;
  readonly pageCacheBytes: number;
  readonly pageBytes?: number;
}

export interface SessionsParts {
  readonly catalogue: Catalogue;
  readonly log: Log;
  readonly fleet: Fleet;
  /** The plugins' hooks, which judge input and learn of ends. */
  readonly guard?: SessionGuard;
}

export interface CreateOptions {
  readonly id?: SessionId;
  /**
   * True if an interrupt on pipes goes to the children of the program and not to the program itself. Default: true for
   * a request without a command.
   */
  readonly isShell?: boolean;
  /**
   * Key of a conversation: only users who may see that conversation see the session. Default: all who may see sessions.
   */
  readonly conversation?: string;
  /** True for an agent's own process, which no user sees. */
  readonly hidden?: boolean;
  /**
   * Falls back to pipes where no terminal can be opened, instead of an error. The session's `mode` shows the result.
   */
  readonly orPipes?: boolean;
}

export class Sessions {
  /** Sessions whose programs run elsewhere. */
  readonly foreign: ForeignSessions;
  readonly #lost: LostSessions;
  readonly #options: SessionsOptions;
  readonly #catalogue: Catalogue;
  readonly #log: Log;
  readonly #fleet: Fleet;
  readonly #guard: SessionGuard | undefined;
  readonly #pages: SessionParts['pages'];
  readonly #open = new OpenSessions();
  readonly #ptys = new PtyLoader();
  readonly #watchers = new Set<SessionListener>();
  /** Ids of sessions whose `create` has not returned yet. */
  readonly #starting = new Set<string>();
  readonly #unlisten: () => void;
  /** Host of the foreign sessions. The ingest makes them with this class: a cycle, which `recover` closes. */
  #ingest: SessionHost | undefined;
  /** False until `recover` has ended: plugins do not learn of ends while no gateway ran. */
  #isRecovered = false;

  constructor(options: SessionsOptions, { catalogue, log, fleet, guard }: SessionsParts) {
    this.#options = options;
    this.#catalogue = catalogue;
    this.#log = log;
    this.#fleet = fleet;
    this.#guard = guard;
    this.#pages = {
      cache: new PageCache({ maxBytes: options.pageCacheBytes }),
      files: new SegmentFiles(),
      pageBytes: options.pageBytes ?? PAGE_BYTES,
      // Space in which a page is encoded for the wire without another copy.
      headroom: OUTPUT_HEADER_BYTES,
    };
    const parts = {
      ...{ catalogue, log, fleet, open: this.#open },
      dirOf: (id: SessionId) => this.dirOf(id),
      make: (record: SessionRecord) => this.#make(record),
      changed: (session: Session) => this.#notifyChanged(session),
    };
    this.foreign = new ForeignSessions(parts);
    this.#lost = new LostSessions(parts);
    mkdirSync(options.dir, { recursive: true, mode: 0o700 });
    this.#unlisten = fleet.listen({
      grew: (id, head, oldest, left) => this.#open.liveOne(id)?.appended(head, oldest, left),
      changed: (status) => this.#fleetOnChanged(status),
      ran: (id, run, runs) => this.#open.liveOne(id)?.ran(run, runs),
      lost: (ids) => {
        for (const id of ids) void this.#lose(id as SessionId);
      },
    });
  }

  /**
   * Takes over the sessions of an earlier gateway: those that runners still host, and those that ended in the meantime.
   * `ingest` is the host of foreign sessions; without it there are none.
   */
  async recover(ingest?: SessionHost): Promise<void> {
    this.#ingest = ingest;
    const fleet = this.#fleet;
    const unfinished = new Map(this.#catalogue.sessions.listUnfinished().map((record) => [record.id, record]));
    await fleet.recover((status) => {
      const record = unfinished.get(status.id as SessionId);
      if (record === undefined) {
        // Deleted while its end was under way.
        this.#endUnknown(status.id);
        return;
      }
      unfinished.delete(record.id);
      const session = this.#make(record);
      this.#open.add(session);
      session.update(status);
    });
    const lost: SessionRecord[] = [];
    for (const record of unfinished.values()) {
      if (record.foreign !== null || fleet.expect(record.id, record.runner)) this.#open.add(this.#make(record));
      else lost.push(record);
    }
    await this.#lost.closeAll(lost);
    fleet.recovered();
    this.#isRecovered = true;
  }

  /** The reason why no terminal can be opened; undefined where terminals work. */
  get terminalProblem(): BinnacleError | undefined {
    return this.#ptys.problem;
  }

  /**
   * Starts a program in a new session. Throws `bad_request`, `bad_cwd`, `command_not_found`, `too_many_sessions`,
   * `pty_unavailable`, `start_failed`, `runner_unavailable`.
   */
  async create(requested: CreateSession, options: CreateOptions = {}): Promise<Session> {
    const effective = this.#modeFor(requested, options);
    if (this.#countOwn() >= this.#options.maxSessions) {
      throw new BinnacleError('too_many_sessions', { details: { limit: this.#options.maxSessions } });
    }
    const { id = uuidv7() as SessionId, isShell, conversation = null, hidden = false } = options;
    const { passEnv, segmentBytes, retainBytes, retainMs, maxInputBytes, maxQueuedRuns, maxEndedRuns } = this.#options;
    const ownEnv = this.#options.environmentOf?.(id) ?? {};
    const { name, spec, program } = launchOf(effective, { id, isShell, passEnv, ownEnv });
    const dir = this.dirOf(id);
    const runner = await this.#fleet.reserve(id);
    mkdirSync(dir, { mode: 0o700 });
    const record = this.#catalogue.sessions.insert({
      ...{ id, runner, spec, conversation, hidden },
      name: effective.name ?? this.#freeName(name, { conversation, hidden }),
    });
    const session = this.#make(record);
    this.#open.add(session);
    const hosted = { dir, segmentBytes, retainBytes, retainMs, maxInputBytes, maxQueuedRuns, maxEndedRuns };
    this.#starting.add(id);
    try {
      describeSession(dir, record);
      const status = await this.#fleet.start(
        { ...program, ...hosted },
        {
          ...{ runner, endingTimes: this.#options.endingTimes },
          moved: (next) => {
            const moved = this.#catalogue.sessions.update(id, { runner: next });
            describeSession(dir, moved);
          },
        },
      );
      session.update(status);
    } catch (error) {
      this.#open.remove(id);
      this.#catalogue.sessions.remove(id);
      rmSync(dir, { recursive: true, force: true });
      throw error;
    } finally {
      this.#starting.delete(id);
    }
    return session;
  }

  #modeFor(requested: CreateSession, { orPipes = false }: CreateOptions): CreateSession {
    const problem = requested.mode === 'pipe' ? undefined : this.terminalProblem;
    if (problem === undefined) return requested;
    if (!orPipes) throw problem;
    return { ...requested, mode: 'pipe' };
  }

  /** Returns the directory of a session's log and records. */
  dirOf(id: SessionId): string {
    return join(this.#options.dir, id);
  }

  #countOwn(): number {
    return this.#open.live.filter(({ isForeign }) => !isForeign).length;
  }

  /**
   * Throws `session_not_found`, and `session_gone` for a deleted session. A session that `isSeen` denies is not found,
   * neither before nor after its deletion.
   */
  get(id: string, isSeen: SessionFilter = () => true): Session {
    if (!isSessionId(id)) throw new BinnacleError('session_not_found');
    const open = this.#open.find(id);
    const record = open?.record ?? this.#catalogue.sessions.get(id);
    if (record === undefined || !isSeen(record)) throw new BinnacleError('session_not_found');
    if (record.deleted) throw new BinnacleError('session_gone');
    const session = open ?? this.#make(record);
    if (session !== this.#open.liveOne(id)) this.#open.keep(session);
    return session;
  }

  /** Tells whether the id belongs to a session, even a deleted one. */
  knows(id: string): boolean {
    return isSessionId(id) && this.#catalogue.sessions.get(id) !== undefined;
  }

  /**
   * Returns the current state of one session. If its runner does not answer or is ending, returns the last known state.
   */
  async info(id: string): Promise<SessionInfo> {
    const session = this.get(id);
    try {
      await session.refresh(LIST_MS);
    } catch (error) {
      if (!(error instanceof BinnacleError) || error.code !== 'runner_unavailable') throw error;
    }
    if (!session.isHosted) tryOpen(session);
    return session.info;
  }

  /**
   * Lists the sessions that `isSeen` allows, newest first. A page that names a next page is full, and the next is not
   * empty.
   */
  async list(query: SessionQuery = {}, isSeen: SessionFilter = () => true): Promise<SessionList> {
    await this.refresh();
    const rows = { store: this.#catalogue.sessions, live: () => this.#open.live };
    const { records, next } = await listSessions(rows, query, isSeen);
    return { sessions: records.map((record) => this.#infoOf(record)), next };
  }

  /** Applies the newest states of all hosted programs, with the heads of their logs. */
  async refresh(): Promise<void> {
    for (const status of await this.#fleet.refresh()) this.#open.liveOne(status.id)?.update(status);
  }

  /** Sessions whose logs may grow. */
  live(): readonly Session[] {
    return this.#open.live;
  }

  /** Lists the ids of hidden sessions that run or should run. */
  listHidden(): SessionId[] {
    return this.#open.live.filter(({ record }) => record.hidden).map(({ id }) => id);
  }

  /** Ends the program, then removes all data of the session. */
  async delete(id: string): Promise<void> {
    const session = this.get(id);
    await this.#end(session);
    this.#open.remove(session.id);
    this.#catalogue.sessions.remove(session.id);
    session.forget();
    for (const watcher of [...this.#watchers]) watcher.deleted?.(session);
    rmSync(this.dirOf(session.id), { recursive: true, force: true });
  }

  async #end(session: Session): Promise<void> {
    try {
      await session.end(this.#options.endingTimes);
    } catch (error) {
      const { runner } = this.#catalogue.sessions.require(session.id);
      if (runner === null || !(await this.#fleet.isDead(runner))) throw error;
    }
    // Its runner died: the gateway ends the leftover processes.
    await this.#lost.ended(session.id);
  }

  /** Notifies the watcher of every change of any session. */
  watch(watcher: SessionListener): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Closes all files; programs continue to run. */
  close(): void {
    this.#unlisten();
    this.#open.close();
    this.#pages.files.close();
  }

  #hostOf(record: SessionRecord): SessionHost {
    if (record.foreign === null) return this.#fleet;
    if (this.#ingest === undefined) throw new BinnacleError('session_gone');
    return this.#ingest;
  }

  /** Makes a default name unique. Counts only sessions of the same visibility: a number would reveal the others. */
  #freeName(requested: string, of: Pick<SessionRecord, 'conversation' | 'hidden'>): string {
    const records = this.#open.live.map(({ record }) => record);
    const among = records.filter((one) => one.conversation === of.conversation && one.hidden === of.hidden);
    const taken = new Set(among.map((one) => one.name));
    let name = requested;
    for (let n = 2; taken.has(name); n += 1) name = `${requested}-${n}`;
    return name;
  }

  #infoOf(record: SessionRecord): SessionInfo {
    return (this.#open.find(record.id) ?? this.#make(record)).info;
  }

  #make(record: SessionRecord): Session {
    const { leases, sessions } = this.#catalogue;
    const lease = leases.get(record.id);
    const hash = lease?.leaseSha256 ?? null;
    return new Session(record, {
      dir: this.dirOf(record.id),
      host: this.#hostOf(record),
      pages: this.#pages,
      leaseTimes: this.#options.leaseTimes,
      guard: () => (this.#isRecovered ? this.#guard : undefined),
      leaseRecord: {
        holder: lease?.holder ?? null,
        leaseHash: hash === null ? null : Buffer.from(hash).toString('hex'),
        fence: lease?.fence ?? 0,
      },
      save: (change) =>
        this.#keep(record.id, () => {
          const saved = sessions.update(record.id, change);
          if (change.name !== undefined) describeSession(this.dirOf(record.id), saved);
        }),
      changed: (changed) => this.#notifyChanged(changed),
      typed: (typed) => {
        for (const watcher of this.#watchers) watcher.typed?.(typed);
      },
      ran: (of, run) => {
        for (const watcher of [...this.#watchers]) watcher.ran?.(of, run);
      },
      saveLease: ({ holder, leaseHash, fence }) =>
        this.#keep(record.id, () =>
          leases.put({
            sessionId: record.id,
            holder,
            fence,
            leaseSha256: leaseHash === null ? null : Buffer.from(leaseHash, 'hex'),
          }),
        ),
    });
  }

  /**
   * Writes to the catalogue, and logs a failure. A full disk must not stop events of a session, nor crash the gateway
   * in a lease timer. The next start recovers the lost row from the runner, which has the state and the fencing number,
   * or from the log and the exit record.
   */
  #keep(session: SessionId, write: () => unknown): void {
    try {
      write();
    } catch (error) {
      this.#log.error({ err: error, session }, 'the catalogue could not be written');
    }
  }

  #fleetOnChanged(status: HostedStatus): void {
    const session = this.#open.liveOne(status.id);
    if (session === undefined) {
      // The start was given up while the runner was unreachable; nothing else would ever end this program.
      if (status.state === 'running') this.#endUnknown(status.id);
      return;
    }
    session.update(status);
    if (status.state === 'closed') this.#open.keep(session);
  }

  #endUnknown(id: string): void {
    const ending = this.#fleet.request(id, { t: 'end', id });
    ending.catch((error: unknown) =>
      this.#log.warn({ err: error, session: id }, 'a program that is not listed could not be ended'),
    );
  }

  async #lose(id: SessionId): Promise<void> {
    const session = this.#open.liveOne(id);
    // `create` notices the death as well, and tries another runner.
    if (session !== undefined && !this.#starting.has(id)) await this.#lost.close(session);
  }

  #notifyChanged(session: Session): void {
    for (const watcher of [...this.#watchers]) watcher.changed?.(session);
  }
}

/** Opens the log, because only the log of a finished session knows how much output is retained. */
function tryOpen(session: Session): void {
  try {
    void session.log;
  } catch {
    // A read of the output reports the reason.
  }
}
