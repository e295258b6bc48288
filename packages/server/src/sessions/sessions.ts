// All sessions of a gateway: starts, finds, lists and deletes them, and takes them over from an earlier gateway.

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  BinnacleError,
  type CreateSession,
  DEFAULT_SIZE,
  type ForeignInfo,
  isSessionId,
  type Mode,
  OUTPUT_HEADER_BYTES,
  type SessionId,
  type SessionInfo,
  type SessionList,
  type SessionQuery,
} from '@binnacle/protocol';
import { uuidv7 } from 'uuidv7';
import type { Log } from '../base/logger.ts';
import type { Head } from '../log/log.ts';
import { PAGE_BYTES } from '../log/page.ts';
import { PageCache } from '../log/page-cache.ts';
import { SegmentFiles } from '../log/segment-files.ts';
import { PtyLoader } from '../process/native-pty.ts';
import type { EndingTimes } from '../process/termination.ts';
import { type Fleet, type FleetEvents, LIST_MS } from '../runner/client/fleet.ts';
import { closeLost } from '../runner/lost-session.ts';
import type { HostedStatus } from '../runner/wire.ts';
import { describeSession } from '../store/recovery/descriptions.ts';
import type { NewSession, SessionChange, SessionFilter, SessionRecord } from '../store/sessions.ts';
import { toDisk } from '../store/sqlite.ts';
import type { Catalogue } from '../store/store.ts';
import type { SessionGuard } from './input-hooks.ts';
import { launchOf } from './launch.ts';
import type { HelmTimes } from './lease.ts';
import { listSessions } from './list.ts';
import { OpenSessions } from './registry.ts';
import { Session, type SessionHost, type SessionListener, type SessionParts } from './session.ts';

export interface SessionsOptions {
  readonly dir: string;
  /** Sessions that are not closed. Each costs a PTY (kernel.pty.max is 4096 on most machines) and its processes. */
  readonly maxSessions: number;
  readonly segmentBytes: number;
  readonly retainBytes: number;
  readonly retainMs: number;
  readonly maxInputBytes: number;
  readonly maxQueuedRuns: number;
  readonly maxEndedRuns: number;
  readonly helmTimes: HelmTimes;
  readonly endingTimes: EndingTimes;
  readonly passEnv: readonly string[];
  /** Returns variables that a session's programs find in their environment besides. Default: none. */
  readonly environmentOf?: (id: SessionId) => Readonly<Record<string, string>>;
  readonly pageCacheBytes: number;
  readonly pageBytes?: number;
}

export interface CreateOptions {
  readonly id?: SessionId;
  /** An interrupt on pipes is for what it has started, not for itself. Default: without a command. */
  readonly isShell?: boolean;
  /** Seen by those alone who may see that conversation. Default: by everybody who may see sessions. */
  readonly conversation?: string;
  /** Seen by nobody: an agent's own process. */
  readonly hidden?: boolean;
  /** On pipes where no terminal can be opened; else that is refused. Its `mode` says what it got. */
  readonly orPipes?: boolean;
}

/** A session whose program runs elsewhere, as its first event tells of it. */
export interface ForeignSpec {
  readonly foreign: ForeignInfo;
  readonly name: string;
  readonly command?: string | undefined;
  readonly cwd?: string | undefined;
  readonly mode: Mode;
  readonly cols?: number | undefined;
  readonly rows?: number | undefined;
}

/** Maximum logs that are closed at once at a start: each is a few open files, and is read to its end. */
const LOSE_AT_ONCE = 16;

export class Sessions {
  readonly #options: SessionsOptions;
  readonly #catalogue: Catalogue;
  readonly #log: Log;
  readonly #pages: SessionParts['pages'];
  readonly #open = new OpenSessions();
  readonly #ptys = new PtyLoader();
  readonly #watchers = new Set<SessionListener>();
  /** Those whose `create` has not come back. */
  readonly #starting = new Set<string>();
  /** Those whose runner died, until what it left is ended. */
  readonly #losing = new Map<SessionId, Promise<void>>();
  #fleet: Fleet | undefined;
  #ingest: SessionHost | undefined;
  #guard: SessionGuard | undefined;

  constructor(options: SessionsOptions, catalogue: Catalogue, log: Log) {
    this.#options = options;
    this.#catalogue = catalogue;
    this.#log = log;
    this.#pages = {
      cache: new PageCache({ maxBytes: options.pageCacheBytes }),
      files: new SegmentFiles(),
      pageBytes: options.pageBytes ?? PAGE_BYTES,
      // Where a page is encoded for the wire without being copied again.
      headroom: OUTPUT_HEADER_BYTES,
    };
    mkdirSync(options.dir, { recursive: true, mode: 0o700 });
  }

  /** From now on it is asked about input, and told of ends. */
  set guard(guard: SessionGuard) {
    this.#guard = guard;
  }

  /** What the fleet tells us. */
  get fleetEvents(): FleetEvents {
    return {
      grew: (id, head, oldest) => this.#open.liveOne(id)?.grew(head, oldest),
      changed: (status) => this.#fleetOnChanged(status),
      ran: (id, run, runs) => this.#open.liveOne(id)?.ran(run, runs),
      lost: (ids) => {
        for (const id of ids) void this.#lose(id as SessionId);
      },
      warn: (message, facts) => this.#log.warn(facts, message),
    };
  }

  /**
   * Takes over what an earlier gateway left: what runners still host, and what ended while nobody looked. `ingest`
   * answers for what runs elsewhere; without it there is nothing of that kind.
   */
  async recover(fleet: Fleet, ingest?: SessionHost): Promise<void> {
    this.#fleet = fleet;
    this.#ingest = ingest;
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
    const copied = lost.filter(({ runner }) => fleet.goesOnElsewhere(runner)).length;
    if (copied > 0) {
      const facts = { sessions: copied };
      this.#log.warn(facts, 'Programs go on in the data directory that this one was copied from; here they are lost.');
    }
    // A few at a time: of a catalogue that was lost, all that has ended comes back here.
    for (let at = 0; at < lost.length; at += LOSE_AT_ONCE) {
      await Promise.all(lost.slice(at, at + LOSE_AT_ONCE).map((record) => this.#lose(record.id, record)));
    }
    fleet.recovered();
  }

  /** Why no terminal can be opened here; undefined where one can. */
  get terminalProblem(): BinnacleError | undefined {
    return this.#ptys.problem;
  }

  /**
   * Throws `bad_request`, `bad_cwd`, `command_not_found`, `too_many_sessions`, `pty_unavailable`, `start_failed`,
   * `runner_unavailable`.
   */
  async create(wanted: CreateSession, options: CreateOptions = {}): Promise<Session> {
    const fleet = this.#needFleet();
    const asked = this.#modeFor(wanted, options);
    if (this.#countOwn() >= this.#options.maxSessions) {
      throw new BinnacleError('too_many_sessions', { details: { limit: this.#options.maxSessions } });
    }
    const { id = uuidv7() as SessionId, isShell, conversation = null, hidden = false } = options;
    const { passEnv, segmentBytes, retainBytes, retainMs, maxInputBytes, maxQueuedRuns, maxEndedRuns } = this.#options;
    const ownEnv = this.#options.environmentOf?.(id) ?? {};
    const { name, spec, program } = launchOf(asked, { id, isShell, passEnv, ownEnv });
    const dir = this.dirOf(id);
    const runner = await fleet.reserve(id);
    mkdirSync(dir, { mode: 0o700 });
    const record = this.#catalogue.sessions.insert({
      ...{ id, runner, spec, conversation, hidden },
      name: asked.name ?? this.#freeName(name, { conversation, hidden }),
    });
    const session = this.#make(record);
    this.#open.add(session);
    const hosted = { dir, segmentBytes, retainBytes, retainMs, maxInputBytes, maxQueuedRuns, maxEndedRuns };
    this.#starting.add(id);
    try {
      describeSession(dir, record);
      const status = await fleet.start(
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

  #modeFor(wanted: CreateSession, { orPipes = false }: CreateOptions): CreateSession {
    const problem = wanted.mode === 'pipe' ? undefined : this.terminalProblem;
    if (problem === undefined) return wanted;
    if (!orPipes) throw problem;
    return { ...wanted, mode: 'pipe' };
  }

  /**
   * Makes the session of a program that runs elsewhere. Its log is the ingest's to make, in `dirOf(id)/log`; nobody is
   * told of the session before that. Throws `disk_full`.
   */
  adopt({ foreign, name, command, cwd = '', mode, cols, rows }: ForeignSpec): Session {
    const id = uuidv7() as SessionId;
    const size = { cols: cols ?? DEFAULT_SIZE.cols, rows: rows ?? DEFAULT_SIZE.rows };
    const argv = command === undefined ? [] : [command];
    const row = {
      id,
      state: 'running',
      name,
      spec: { argv, mode, cwd, envNames: [], takesRuns: false, ...size },
      createdAt: foreign.heardAt,
    } as const;
    this.#allOrNothing(id, () => {
      mkdirSync(this.dirOf(id), { mode: 0o700 });
      this.#catalogue.foreign.insertWith(row, foreign);
      describeSession(this.dirOf(id), this.#catalogue.sessions.require(id));
    });
    const session = this.#make(this.#catalogue.sessions.require(id));
    this.#open.add(session);
    return session;
  }

  /**
   * Makes a session of what is over and was recorded elsewhere. `moveTo` puts its log into the directory that it is
   * given, as `log`. All of it or nothing. Throws `disk_full`.
   */
  addFinished(row: NewSession, foreign: ForeignInfo, change: SessionChange, moveTo: (dir: string) => void): Session {
    this.#allOrNothing(row.id, () => {
      moveTo(this.dirOf(row.id));
      this.#catalogue.foreign.insertWith(row, foreign, change);
      describeSession(this.dirOf(row.id), this.#catalogue.sessions.require(row.id));
    });
    const session = this.get(row.id);
    this.announce(session);
    return session;
  }

  /** Leaves no directory behind where `make` throws. */
  #allOrNothing(id: SessionId, make: () => void): void {
    try {
      toDisk(make);
    } catch (error) {
      rmSync(this.dirOf(id), { recursive: true, force: true });
      throw error;
    }
  }

  /** A foreign session is new, and its log is there. */
  announce(session: Session): void {
    for (const watcher of [...this.#watchers]) watcher.changed?.(session);
  }

  /** Sessions that run elsewhere and have not ended. */
  countForeign(): number {
    return this.#open.live.filter(({ isForeign }) => isForeign).length;
  }

  /** A foreign session has ended. */
  finish(session: Session, change: SessionChange & { readonly head: Head }): void {
    session.close(change);
    this.#open.keep(session);
  }

  /** Where the log and the records of a session are kept. */
  dirOf(id: SessionId): string {
    return join(this.#options.dir, id);
  }

  #countOwn(): number {
    return this.#open.live.filter(({ isForeign }) => !isForeign).length;
  }

  /**
   * Throws `session_not_found`, and `session_gone` for one that was deleted. One that `isSeen` denies is not found,
   * neither while it is there nor later.
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

  /** There is, or was, one by that id. */
  knows(id: string): boolean {
    return isSessionId(id) && this.#catalogue.sessions.get(id) !== undefined;
  }

  /** One session as it is now. Of a runner that does not answer, or is just ending, it shows what is known. */
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

  /** Newest first; those alone that `isSeen` allows. A page that names a next one is full, and the next is not empty. */
  async list(query: SessionQuery = {}, isSeen: SessionFilter = () => true): Promise<SessionList> {
    for (const status of await this.#needFleet().refresh()) this.#open.liveOne(status.id)?.update(status);
    const rows = { store: this.#catalogue.sessions, live: () => this.#open.live };
    const { records, next } = await listSessions(rows, query, isSeen);
    return { sessions: records.map((record) => this.#infoOf(record)), next };
  }

  /** Those whose logs may grow. */
  live(): readonly Session[] {
    return this.#open.live;
  }

  /** Ids of those that nobody sees and that run, or should. */
  listHidden(): SessionId[] {
    return this.#open.live.filter(({ record }) => record.hidden).map(({ id }) => id);
  }

  /** Ends the program, then removes everything that is kept of it. */
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
      if (runner === null || !(await this.#needFleet().isGone(runner))) throw error;
    }
    // Its runner died: what it left is ended by us.
    await this.#losing.get(session.id);
  }

  /** Tells of every change of any session. */
  watch(watcher: SessionListener): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Lets go of everything; programs go on. */
  close(): void {
    this.#open.close();
    this.#pages.files.close();
  }

  #hostOf(record: SessionRecord): SessionHost {
    if (record.foreign === null) return this.#needFleet();
    if (this.#ingest === undefined) throw new BinnacleError('session_gone');
    return this.#ingest;
  }

  #needFleet(): Fleet {
    if (this.#fleet === undefined) throw new BinnacleError('runner_unavailable');
    return this.#fleet;
  }

  /** Two shells that nobody named are told apart all the same. Those of others do not count: a number would tell of them. */
  #freeName(wanted: string, of: Pick<SessionRecord, 'conversation' | 'hidden'>): string {
    const records = this.#open.live.map(({ record }) => record);
    const among = records.filter((one) => one.conversation === of.conversation && one.hidden === of.hidden);
    const taken = new Set(among.map((one) => one.name));
    let name = wanted;
    for (let n = 2; taken.has(name); n += 1) name = `${wanted}-${n}`;
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
      helmTimes: this.#options.helmTimes,
      guard: () => this.#guard,
      helmRecord: {
        holder: lease?.holder ?? null,
        leaseHash: hash === null ? null : Buffer.from(hash).toString('hex'),
        fence: lease?.fence ?? 0,
      },
      save: (change) =>
        this.#keep(record.id, () => {
          const saved = sessions.update(record.id, change);
          if (change.name !== undefined) describeSession(this.dirOf(record.id), saved);
        }),
      changed: (changed) => {
        for (const watcher of [...this.#watchers]) watcher.changed?.(changed);
      },
      typed: (typed) => {
        for (const watcher of this.#watchers) watcher.typed?.(typed);
      },
      ran: (of, run) => {
        for (const watcher of [...this.#watchers]) watcher.ran?.(of, run);
      },
      saveHelm: ({ holder, leaseHash, fence }) =>
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
   * A full disk must not stop the news of a session, nor end us in a timer of its helm. What could not be kept is found
   * again at the next start: in the runner, which has the state and the fence, or in the log and the exit record.
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
      // Its start was given up while we were cut off from the runner; nobody would ever end it.
      if (status.state === 'running') this.#endUnknown(status.id);
      return;
    }
    session.update(status);
    if (status.state === 'closed') this.#open.keep(session);
  }

  #endUnknown(id: string): void {
    const ending = this.#needFleet().request(id, { t: 'end', id });
    ending.catch((error: unknown) =>
      this.#log.warn({ err: error, session: id }, 'a program that is not listed could not be ended'),
    );
  }

  /** The runner died, or nobody knows who hosted it: what is on the disk decides. */
  async #lose(id: SessionId, record?: SessionRecord): Promise<void> {
    const session = this.#open.liveOne(id) ?? (record === undefined ? undefined : this.#make(record));
    // Who starts it notices as well, and has another runner to try.
    if (session === undefined || this.#starting.has(id)) return;
    const losing = this.#closeLost(session);
    this.#losing.set(id, losing);
    await losing;
    this.#losing.delete(id);
  }

  async #closeLost(session: Session): Promise<void> {
    const { id } = session;
    const fleet = this.#needFleet();
    const goesOnElsewhere = fleet.goesOnElsewhere(session.record.runner);
    const { wasAnother } = fleet;
    try {
      session.close(await closeLost(this.dirOf(id), id, { goesOnElsewhere, wasAnother }));
    } catch (error) {
      this.#log.error({ err: error, session: id }, 'a lost session could not be closed');
      const lostReason = goesOnElsewhere ? 'copied' : 'runner_died';
      session.close({ state: 'lost', head: { place: 0, offset: 0 }, lostReason });
    }
    this.#open.keep(session);
  }
}

/** Only the log of a finished session knows how much of it is kept. */
function tryOpen(session: Session): void {
  try {
    void session.log;
  } catch {
    // Reading its output says why.
  }
}
