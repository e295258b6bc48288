// All sessions of a gateway: starts, finds, lists and deletes them, and takes them over from an earlier gateway.

import { mkdirSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import {
  BinnacleError,
  type CreateSession,
  type ForeignInfo,
  isSessionId,
  type Mode,
  OUTPUT_HEADER_BYTES,
  type SessionId,
  type SessionInfo,
  type SessionList,
} from '@binnacle/protocol';
import { uuidv7 } from 'uuidv7';
import type { Catalogue } from './catalogue/catalogue.ts';
import { isFull } from './catalogue/driver.ts';
import type { NewSession, SessionChange, SessionFilter, SessionRecord } from './catalogue/sessions.ts';
import type { Log } from './http/answer.ts';
import type { Head } from './log/log.ts';
import { PAGE_BYTES } from './log/page.ts';
import { PageCache } from './log/page-cache.ts';
import { SegmentFiles } from './log/segment-files.ts';
import { type EndingTimes, endFamily } from './process/ending.ts';
import { programEnvironment } from './process/environment.ts';
import { BASH, checkCwd, findExecutable } from './process/launcher.ts';
import { type Fleet, type FleetEvents, LIST_MS } from './runner/fleet.ts';
import { closeLost } from './runner/lost.ts';
import type { HostedSpec, HostedStatus } from './runner/wire.ts';
import { Session, type SessionHost, type SessionListener, type SessionParts } from './session.ts';
import type { SessionGuard } from './session-guard.ts';
import type { HelmTimes } from './steering/helm.ts';

/** Finished sessions whose log is kept open for the next reader. Each holds a few descriptors and its segment list. */
const MAX_IDLE = 64;
const DEFAULT_SIZE = { cols: 80, rows: 24 };
/** Runners die one at a time; where the third one dies too, it is the start that kills them. */
const START_TRIES = 3;
const NOBODY = { pid: -1, startTime: '' };

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

export class Sessions {
  readonly #options: SessionsOptions;
  readonly #catalogue: Catalogue;
  readonly #log: Log;
  readonly #pages: SessionParts['pages'];
  /** Those that a runner hosts, or is asked to. */
  readonly #live = new Map<SessionId, Session>();
  /** Finished ones that somebody asked for, least recently used first. */
  readonly #idle = new Map<SessionId, Session>();
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
      grew: (id, head, oldest) => this.#live.get(id as SessionId)?.grew(head, oldest),
      changed: (status) => this.#fleetOnChanged(status),
      ran: (id, run, runs) => this.#live.get(id as SessionId)?.ran(run, runs),
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
    for (const status of await fleet.recover()) {
      const record = unfinished.get(status.id as SessionId);
      if (record === undefined) {
        // Deleted while its end was under way.
        this.#endUnknown(status.id);
        continue;
      }
      unfinished.delete(record.id);
      const session = this.#make(record);
      this.#live.set(record.id, session);
      session.update(status);
    }
    const lost: SessionRecord[] = [];
    for (const record of unfinished.values()) {
      if (record.foreign !== null) this.#live.set(record.id, this.#make(record));
      else if (fleet.expect(record.id, record.runner)) this.#live.set(record.id, this.#make(record));
      else lost.push(record);
    }
    await Promise.all(lost.map((record) => this.#lose(record.id, record)));
  }

  /** Throws `bad_request`, `bad_cwd`, `command_not_found`, `too_many_sessions`, `start_failed`, `runner_unavailable`. */
  async create(asked: CreateSession, options: CreateOptions = {}): Promise<Session> {
    const fleet = this.#needFleet();
    if (this.#countOwn() >= this.#options.maxSessions) {
      throw new BinnacleError('too_many_sessions', { details: { limit: this.#options.maxSessions } });
    }
    const id = options.id ?? (uuidv7() as SessionId);
    const mode = asked.mode ?? 'pty';
    const cwd = asked.cwd ?? homedir();
    checkCwd(cwd);
    const env = programEnvironment(process.env, asked.env ?? {}, { id, hasTerminal: mode === 'pty' }, this.#options);
    const takesRuns = asked.runs === true;
    const argv = argvOf(asked, takesRuns ? BASH : (env.SHELL ?? '/bin/sh'));
    const [program, ...args] = argv;
    const path = findExecutable(program, env.PATH ?? '', cwd);
    const { cols, rows } = { ...DEFAULT_SIZE, ...asked };
    const name = asked.command?.trim().split('\n', 1)[0]?.slice(0, 60) ?? basename(program);
    const dir = this.dirOf(id);
    const runner = await fleet.reserve(id);
    mkdirSync(dir, { mode: 0o700 });
    const { conversation = null, hidden = false } = options;
    const record = this.#catalogue.sessions.insert({
      id,
      runner,
      name: asked.name ?? this.#freeName(name === '' ? basename(program) : name, { conversation, hidden }),
      spec: { argv, mode, cwd, envNames: Object.keys(asked.env ?? {}), cols, rows, takesRuns },
      conversation,
      hidden,
    });
    const session = this.#make(record);
    this.#live.set(id, session);
    const spec: HostedSpec = {
      id,
      dir,
      mode,
      argv: [path, ...args],
      cwd,
      env: { ...env, PWD: cwd },
      cols,
      rows,
      isShell: options.isShell ?? (asked.command === undefined && asked.argv === undefined),
      takesRuns,
      segmentBytes: this.#options.segmentBytes,
      retainBytes: this.#options.retainBytes,
      retainMs: this.#options.retainMs,
      maxInputBytes: this.#options.maxInputBytes,
      maxQueuedRuns: this.#options.maxQueuedRuns,
      maxEndedRuns: this.#options.maxEndedRuns,
    };
    this.#starting.add(id);
    try {
      session.update(await this.#startOn(runner, spec));
    } catch (error) {
      this.#live.delete(id);
      this.#catalogue.sessions.remove(id);
      rmSync(dir, { recursive: true, force: true });
      throw error;
    } finally {
      this.#starting.delete(id);
    }
    return session;
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
    try {
      mkdirSync(this.dirOf(id), { mode: 0o700 });
      this.#catalogue.foreign.insertWith(row, foreign);
    } catch (error) {
      rmSync(this.dirOf(id), { recursive: true, force: true });
      if (isFull(error)) throw new BinnacleError('disk_full', { cause: error });
      throw error;
    }
    const session = this.#make(this.#catalogue.sessions.require(id));
    this.#live.set(id, session);
    return session;
  }

  /**
   * Makes a session of what is over and was recorded elsewhere. `moveTo` puts its log into the directory that it is
   * given, as `log`. All of it or nothing. Throws `disk_full`.
   */
  addFinished(row: NewSession, foreign: ForeignInfo, change: SessionChange, moveTo: (dir: string) => void): Session {
    try {
      moveTo(this.dirOf(row.id));
      this.#catalogue.foreign.insertWith(row, foreign, change);
    } catch (error) {
      rmSync(this.dirOf(row.id), { recursive: true, force: true });
      if (isFull(error)) throw new BinnacleError('disk_full', { cause: error });
      throw error;
    }
    const session = this.get(row.id);
    this.announce(session);
    return session;
  }

  /** A foreign session is new, and its log is there. */
  announce(session: Session): void {
    for (const watcher of [...this.#watchers]) watcher.changed?.(session);
  }

  /** Sessions that run elsewhere and have not ended. */
  countForeign(): number {
    return this.#live.size - this.#countOwn();
  }

  /** A foreign session has ended. */
  finish(session: Session, change: SessionChange & { readonly head: Head }): void {
    session.close(change);
    this.#retire(session);
  }

  /** Where the log and the records of a session are kept. */
  dirOf(id: SessionId): string {
    return join(this.#options.dir, id);
  }

  #countOwn(): number {
    let count = 0;
    for (const { record } of this.#live.values()) if (record.foreign === null) count += 1;
    return count;
  }

  /** A runner that dies under a start costs nobody the start: the next one gets it. */
  async #startOn(chosen: string, spec: HostedSpec): Promise<HostedStatus> {
    const fleet = this.#needFleet();
    for (let runner = chosen, tries = 1; ; tries += 1) {
      try {
        return await fleet.start(spec);
      } catch (error) {
        const isDead =
          error instanceof BinnacleError && error.code === 'runner_unavailable' && (await fleet.isGone(runner));
        if (!isDead || tries === START_TRIES) throw error;
      }
      // It may have come as far as a program or a log.
      await endFamily(NOBODY, spec.id, this.#options.endingTimes);
      rmSync(spec.dir, { recursive: true, force: true });
      mkdirSync(spec.dir, { mode: 0o700 });
      runner = await fleet.reserve(spec.id);
      this.#catalogue.sessions.update(spec.id as SessionId, { runner });
    }
  }

  /**
   * Throws `session_not_found`, and `session_gone` for one that was deleted. One that `isSeen` denies is not found,
   * neither while it is there nor later.
   */
  get(id: string, isSeen: SessionFilter = () => true): Session {
    if (!isSessionId(id)) throw new BinnacleError('session_not_found');
    const live = this.#live.get(id);
    const kept = live ?? this.#idle.get(id);
    const record = kept?.record ?? this.#catalogue.sessions.get(id);
    if (record === undefined || !isSeen(record)) throw new BinnacleError('session_not_found');
    if (live !== undefined) return live;
    if (record.deleted) throw new BinnacleError('session_gone');
    const idle = kept ?? this.#make(record);
    this.#idle.delete(id);
    this.#idle.set(id, idle);
    this.#evict();
    return idle;
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
  async list(
    options: { readonly after?: string; readonly limit?: number },
    isSeen: SessionFilter = () => true,
  ): Promise<SessionList> {
    for (const status of await this.#needFleet().refresh()) this.#live.get(status.id as SessionId)?.update(status);
    const { records, next } = this.#catalogue.sessions.list(options, isSeen);
    return { sessions: records.map((record) => this.#infoOf(record)), next };
  }

  /** Those whose logs may grow. */
  live(): Iterable<Session> {
    return this.#live.values();
  }

  /** Ids of those that nobody sees and that run, or should. */
  listHidden(): SessionId[] {
    return [...this.#live.values()].filter(({ record }) => record.hidden).map(({ id }) => id);
  }

  /** Ends the program, then removes everything that is kept of it. */
  async delete(id: string): Promise<void> {
    const session = this.get(id);
    await this.#end(session);
    this.#live.delete(session.id);
    this.#idle.delete(session.id);
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
    for (const session of [...this.#live.values(), ...this.#idle.values()]) {
      session.helm.stop();
      session.release();
    }
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
    const records = [...this.#live.values()].map(({ record }) => record);
    const among = records.filter((one) => one.conversation === of.conversation && one.hidden === of.hidden);
    const taken = new Set(among.map((one) => one.name));
    let name = wanted;
    for (let n = 2; taken.has(name); n += 1) name = `${wanted}-${n}`;
    return name;
  }

  #infoOf(record: SessionRecord): SessionInfo {
    return (this.#live.get(record.id) ?? this.#idle.get(record.id) ?? this.#make(record)).info;
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
      save: (change) => this.#keep(record.id, () => sessions.update(record.id, change)),
      changed: (changed) => {
        for (const watcher of [...this.#watchers]) watcher.changed?.(changed);
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
    const session = this.#live.get(status.id as SessionId);
    if (session === undefined) {
      // Its start was given up while we were cut off from the runner; nobody would ever end it.
      if (status.state === 'running') this.#endUnknown(status.id);
      return;
    }
    session.update(status);
    if (status.state === 'closed') this.#retire(session);
  }

  #endUnknown(id: string): void {
    const ending = this.#needFleet().request(id, { t: 'end', id });
    ending.catch((error: unknown) =>
      this.#log.warn({ err: error, session: id }, 'a program that is not listed could not be ended'),
    );
  }

  /** The runner died, or nobody knows who hosted it: what is on the disk decides. */
  async #lose(id: SessionId, record?: SessionRecord): Promise<void> {
    const session = this.#live.get(id) ?? (record === undefined ? undefined : this.#make(record));
    // Who starts it notices as well, and has another runner to try.
    if (session === undefined || this.#starting.has(id)) return;
    const losing = this.#closeLost(session);
    this.#losing.set(id, losing);
    await losing;
    this.#losing.delete(id);
  }

  async #closeLost(session: Session): Promise<void> {
    const { id } = session;
    try {
      session.close(await closeLost(this.dirOf(id), id));
    } catch (error) {
      this.#log.error({ err: error, session: id }, 'a lost session could not be closed');
      session.close({ state: 'lost', head: { place: 0, offset: 0 } });
    }
    this.#retire(session);
  }

  #retire(session: Session): void {
    this.#live.delete(session.id);
    this.#idle.set(session.id, session);
    this.#evict();
  }

  #evict(): void {
    for (const [id, session] of this.#idle) {
      if (this.#idle.size <= MAX_IDLE) return;
      if (session.hasListeners) continue;
      session.release();
      this.#idle.delete(id);
    }
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

function argvOf(asked: CreateSession, shell: string): [string, ...string[]] {
  if (asked.runs === true && (asked.command !== undefined || asked.argv !== undefined)) {
    throw new BinnacleError('bad_request', { message: 'Pass runs, or command or argv, not both.' });
  }
  if (asked.command !== undefined && asked.argv !== undefined) {
    throw new BinnacleError('bad_request', { message: 'Pass command or argv, not both.' });
  }
  if (asked.command !== undefined) {
    if (asked.command.trim() === '') throw new BinnacleError('bad_request', { message: 'The command is empty.' });
    return [shell, '-c', asked.command];
  }
  if (asked.argv === undefined) return [shell];
  const [program, ...args] = asked.argv;
  if (program === undefined || program === '') throw new BinnacleError('bad_request', { message: 'argv is empty.' });
  return [program, ...args];
}
