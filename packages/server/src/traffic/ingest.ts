// Ingest of programs elsewhere: finds or makes the session, writes each event once to its log, and notifies its
// viewers. Takes the place of a runner for foreign sessions.

import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import {
  BinnacleError,
  type EmitResult,
  formatPosition,
  nameOfCommand,
  type SessionId,
  type TrafficProducer,
} from '@binnacle/protocol';
import type { Log } from '../base/logger.ts';
import { Timer } from '../base/timer.ts';
import type { HostedStatus, RunnerRequest } from '../runner/wire.ts';
import type { SessionHost } from '../sessions/session.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { EndedForeignSession, ForeignProgress, ForeignRecord, ForeignStore } from '../store/foreign-sessions.ts';
import { type EmittedEvent, namesOf, parseEvent } from './event.ts';
import { type EventOutcome, ForeignLog, type ForeignLogOptions, numberCheck, sessionEnded } from './foreign-log.ts';
import { type OpenedLog, OpenLogs } from './open-logs.ts';
import { SenderRateLimit } from './rate-limit.ts';

/** Interval at which rows of the catalogue follow their logs. The log has the exact state of a session. */
const SAVE_MS = 1000;
const SWEEP_MS = 60_000;
/** Maximum ms of a batch of many sessions before it yields to the event loop. */
const MAX_BLOCK_MS = 5;
const NO_SOURCE = 'unknown';

export interface IngestLimits {
  /** Maximum foreign sessions that have not ended. Default 1000. */
  readonly maxSessions: number;
  /** Maximum new sessions of one user per second, on average: each is a directory and a log. Default 100. */
  readonly newPerSecond: number;
  /** Time without an event after which a session counts as lost (`lost`). Default 7 days. */
  readonly idleMs: number;
}

export interface IngestParts {
  readonly sessions: Sessions;
  readonly store: ForeignStore;
  readonly log: Log;
  readonly logOptions: ForeignLogOptions;
  readonly limits: IngestLimits;
}

/** The sender of events. */
export interface Emitter {
  readonly user: string;
  readonly producer: TrafficProducer | undefined;
}

export interface IngestFacts {
  readonly stored: number;
  readonly duplicates: number;
  readonly refused: number;
  readonly bytes: number;
}

export class Ingest implements SessionHost {
  readonly #parts: IngestParts;
  readonly #logs: OpenLogs;
  /** Sessions whose viewers and rows are behind their logs. */
  readonly #touched = new Set<OpenedLog>();
  readonly #unsaved = new Map<SessionId, ForeignProgress>();
  /** Ended sessions whose end is not in the catalogue yet. */
  readonly #unended = new Map<SessionId, EndedForeignSession>();
  readonly #arrivals: SenderRateLimit;
  /** Set while there are unsaved rows. */
  readonly #timer = new Timer();
  readonly #sweeper: NodeJS.Timeout;
  #notifying: NodeJS.Immediate | undefined;
  #isClosed = false;
  #facts = { stored: 0, duplicates: 0, refused: 0, bytes: 0 };

  constructor(parts: IngestParts) {
    this.#parts = parts;
    this.#logs = new OpenLogs((id) => this.#open(id), parts.log);
    const { newPerSecond } = parts.limits;
    this.#arrivals = new SenderRateLimit({ eventsPerSecond: newPerSecond, bytesPerSecond: Number.POSITIVE_INFINITY });
    this.#sweeper = setInterval(() => void this.#endSilent(), Math.min(SWEEP_MS, parts.limits.idleMs));
    this.#sweeper.unref();
  }

  get facts(): IngestFacts {
    return this.#facts;
  }

  /** Takes events, and returns one result for each, in order. An error concerns its own event only. */
  async emit(raw: readonly unknown[], by: Emitter): Promise<readonly EmitResult[]> {
    const now = Date.now();
    const results: EmitResult[] = [];
    const groups = new Map<string, { readonly index: number; readonly event: EmittedEvent | BinnacleError }[]>();
    for (const [index, one] of raw.entries()) {
      const event = parsed(one, by.producer !== undefined, now);
      const id = event instanceof BinnacleError ? namesOf(one).sessionId : event.sessionId;
      if (id === null) {
        if (event instanceof BinnacleError) results[index] = refusal(event, namesOf(one));
        continue;
      }
      const group = groups.get(id);
      if (group === undefined) groups.set(id, [{ index, event }]);
      else group.push({ index, event });
    }
    let sliceBegan = performance.now();
    for (const [id, group] of groups) {
      if (performance.now() - sliceBegan > MAX_BLOCK_MS) {
        await yieldToEventLoop();
        sliceBegan = performance.now();
      }
      // After an invalid event, all later events of its session are refused: their order is preserved.
      const bad = group.findIndex(({ event }) => event instanceof BinnacleError);
      const good = (bad < 0 ? group : group.slice(0, bad)).map(({ event }) => event as EmittedEvent);
      const answers = good.length === 0 ? [] : await this.#take(id, good, by, now);
      for (const [at, { index, event }] of group.entries()) {
        const answer = answers[at];
        if (answer !== undefined) results[index] = answer;
        else {
          const why = event instanceof BinnacleError ? event : new BinnacleError('earlier_refused');
          results[index] = refusal(why, namesOf(raw[index]));
        }
      }
    }
    for (const { status } of results) {
      if (status === 'stored') this.#facts.stored += 1;
      else if (status === 'duplicate') this.#facts.duplicates += 1;
      else this.#facts.refused += 1;
    }
    return results;
  }

  async request(id: string, request: RunnerRequest): Promise<unknown> {
    switch (request.t) {
      case 'status':
        return statusOf(await this.#logs.get(id as SessionId));
      case 'end':
        await this.#endDeleted(id as SessionId);
        return undefined;
      case 'trim': {
        const opened = await this.#logs.get(id as SessionId);
        opened.log.trimTo(request.maxBytes);
        this.#touch(opened);
        return undefined;
      }
      default:
        throw new BinnacleError('session_foreign');
    }
  }

  /** Does nothing: the ingest reports every event anyway. */
  watch(): void {}

  /**
   * Brings every session that has not ended to the state of its log, after an earlier gateway stopped before it could.
   */
  async settle(): Promise<void> {
    for (const id of this.#parts.store.listSilent(Number.MAX_SAFE_INTEGER)) {
      // Each may take 20 ms, if it was written to a moment before a kill: yields to other work in between.
      await yieldToEventLoop();
      if (this.#isClosed) return;
      try {
        this.#touch(await this.#logs.get(id));
      } catch (error) {
        this.#parts.log.error({ err: error, session: id }, 'a foreign session could not be opened');
      }
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer.clear();
    clearInterval(this.#sweeper);
    await this.#logs.close();
    while (this.#touched.size > 0) {
      clearImmediate(this.#notifying);
      this.#notifyViewers();
    }
    this.#save();
  }

  async #take(id: string, events: readonly EmittedEvent[], by: Emitter, now: number): Promise<readonly EmitResult[]> {
    try {
      const known = this.#parts.store.find(id);
      if (known !== undefined) checkClaim(known, by, events);
      else {
        const number = numberCheck({ epoch: -1, nextSeq: 0 }, by.producer, events[0]?.seq ?? null);
        if (number instanceof BinnacleError) return refusedFrom(events, number);
      }
      const opened = known === undefined ? await this.#adopt(id, events, by, now) : await this.#openedUnlessOver(known);
      if (opened === undefined) return this.#overResults(id, events, by);
      const { log, session } = opened;
      const outcomes = log.take(events, by.producer, now);
      for (const [at, { output }] of events.entries())
        if (outcomes[at] === 'stored') this.#facts.bytes += output.length;
      if (outcomes.includes('stored')) this.#touch(opened);
      return resultsOf(events, outcomes, session.id, { epoch: log.epoch, ...log.head });
    } catch (error) {
      const why = BinnacleError.of(error);
      if (why.code === 'internal') this.#parts.log.error({ err: error }, 'an event could not be accepted');
      return events.map(({ sessionId, seq }) => refusal(why, { sessionId, seq }));
    }
  }

  /** Makes the session of new events. Throws `too_fast`, `too_many_foreign`, `disk_full`. */
  async #adopt(
    sessionId: string,
    events: readonly EmittedEvent[],
    { user, producer }: Emitter,
    now: number,
  ): Promise<OpenedLog> {
    const [first] = events;
    if (first === undefined) throw new BinnacleError('invariant', { message: 'A session without an event.' });
    const { sessions, limits } = this.#parts;
    if (sessions.knows(sessionId)) {
      throw new BinnacleError('bad_session_id', { message: 'The id is that of a session of this gateway.' });
    }
    const limit = limits.maxSessions;
    if (sessions.foreign.count() >= limit) throw new BinnacleError('too_many_foreign', { details: { limit } });
    const waitMs = this.#arrivals.take(user, 1, 0);
    if (waitMs > 0) throw new BinnacleError('too_fast', { details: { retryAfterMs: waitMs } });
    const { source = NO_SOURCE, labels, mark, cwd, size, stream } = first;
    const foreign = { sessionId, user, producer: producer?.id ?? null, source, labels, heardAt: now };
    const mode = stream === 'tty' ? 'pty' : 'pipe';
    const name = nameOfCommand(mark.command) || (source === NO_SOURCE ? sessionId : source);
    const session = sessions.foreign.adopt({ foreign, name, command: mark.command, cwd, mode, ...size });
    const opened = await this.#logs.get(session.id);
    sessions.foreign.announce(session);
    return opened;
  }

  /** Returns the results of events for an ended session: duplicates are still recognized. Throws `session_gone`. */
  #overResults(id: string, events: readonly EmittedEvent[], by: Emitter): readonly EmitResult[] {
    const known = this.#parts.store.find(id);
    if (known === undefined) throw new BinnacleError('session_gone');
    const { log } = this.#parts.sessions.get(known.session);
    const progress = this.#unended.get(known.session)?.progress ?? known;
    return resultsOf(events, overOutcomes(progress, by, events), known.session, { epoch: log.epoch, ...log.head });
  }

  /** Returns the open log, or undefined for an ended session. Throws `session_gone`. */
  async #openedUnlessOver({ session }: ForeignRecord): Promise<OpenedLog | undefined> {
    try {
      return this.#parts.sessions.get(session).isHosted ? await this.#logs.get(session) : undefined;
    } catch (error) {
      // The session ended during the wait for its log.
      if (error instanceof BinnacleError && error.code === 'session_exited') return undefined;
      throw error;
    }
  }

  /** Opens the log of a session. Throws `session_exited` for an ended session. */
  async #open(id: SessionId): Promise<OpenedLog> {
    const { sessions, store, logOptions } = this.#parts;
    const session = sessions.get(id);
    const row = store.get(id);
    if (!session.isHosted || row === undefined) throw new BinnacleError('session_exited');
    const progress = this.#unsaved.get(id) ?? row;
    const opened = { session, log: await ForeignLog.open(sessions.dirOf(id), progress, logOptions) };
    // The log may be ahead of its row, or have ended.
    if (opened.log.head.place !== progress.place || opened.log.end !== undefined) this.#touch(opened);
    return opened;
  }

  /** Notifies viewers after the answer to the emitter, for any number of viewers. */
  #touch(opened: OpenedLog): void {
    this.#touched.add(opened);
    this.#notifying ??= setImmediate(() => this.#notifyViewers());
  }

  /** Notifies viewers as far as one event-loop turn allows; the rest in the next turn. */
  #notifyViewers(): void {
    this.#notifying = undefined;
    const began = performance.now();
    const ended: OpenedLog[] = [];
    for (const opened of this.#touched) {
      this.#touched.delete(opened);
      if (this.#notifyViewersOf(opened)) ended.push(opened);
      if (performance.now() - began > MAX_BLOCK_MS) break;
    }
    this.#finish(ended);
    if (this.#touched.size > 0) this.#notifying ??= setImmediate(() => this.#notifyViewers());
  }

  /** Notifies the viewers of one session. Returns true if the session has ended and must be finished. */
  #notifyViewersOf({ session, log }: OpenedLog): boolean {
    const { progress, end, size } = log;
    const { cols, rows } = session.record.spec;
    if (size !== undefined && (size.cols !== cols || size.rows !== rows)) {
      session.update({ ...statusOf({ session, log }), ...size });
    }
    if (end !== undefined) return true;
    this.#unsaved.set(session.id, progress);
    this.#saveLater();
    session.recordForeignEvent(progress.heardAt, log.head, log.oldest, log.synced);
    return false;
  }

  #finish(ended: readonly OpenedLog[]): void {
    if (ended.length === 0) return;
    for (const { session, log } of ended) {
      this.#unsaved.delete(session.id);
      this.#unended.set(session.id, { progress: log.progress, change: changeOf(log) });
    }
    this.#save();
    for (const { session, log } of ended) {
      this.#parts.sessions.foreign.finish(session, changeOf(log));
      void this.#logs.shut(session.id);
    }
  }

  #saveLater(): void {
    if (!this.#isClosed) this.#timer.setOnce(SAVE_MS, () => this.#save());
  }

  /** Saves rows. What a full disk refuses now is written later, by the timer. */
  #save(): void {
    const { store, log } = this.#parts;
    try {
      if (this.#unsaved.size > 0) store.save(this.#unsaved);
      this.#unsaved.clear();
      // Each with its last number: an event that is sent again must find both or neither.
      if (this.#unended.size > 0) store.end(this.#unended);
      this.#unended.clear();
    } catch (error) {
      log.error({ err: error }, 'the catalogue could not be written');
      this.#saveLater();
    }
  }

  async #end(id: SessionId, reason: 'lost' | 'deleted'): Promise<void> {
    const opened = await this.#logs.get(id);
    opened.log.finish(reason, Date.now());
    this.#touched.delete(opened);
    if (this.#notifyViewersOf(opened)) this.#finish([opened]);
    await this.#logs.shut(id);
  }

  /**
   * Ends a session before its deletion. The deletion continues even if the disk has no room for the last entry, or the
   * log cannot be read.
   */
  async #endDeleted(id: SessionId): Promise<void> {
    try {
      await this.#end(id, 'deleted');
    } catch (error) {
      if (error instanceof BinnacleError && error.code === 'session_exited') throw error;
      this.#parts.log.warn({ err: error, session: id }, 'a foreign session is deleted without a last word');
      const session = this.#parts.sessions.get(id);
      const opened = this.#logs.peek(id);
      const head = opened?.log.head ?? session.record.head ?? { place: 0, offset: 0 };
      if (opened !== undefined) this.#touched.delete(opened);
      this.#unsaved.delete(id);
      this.#parts.sessions.foreign.finish(session, { state: 'lost', head });
      await this.#logs.shut(id);
    }
  }

  async #endSilent(): Promise<void> {
    const since = this.#parts.logOptions.time.now() - this.#parts.limits.idleMs;
    for (const id of this.#parts.store.listSilent(since)) {
      try {
        // The row is a moment behind the session.
        const heardAt = this.#parts.sessions.get(id).record.foreign?.heardAt ?? 0;
        if (heardAt < since) await this.#end(id, 'lost');
      } catch (error) {
        this.#parts.log.error({ err: error, session: id }, 'a silent session could not be ended');
      }
    }
  }
}

function parsed(raw: unknown, hasProducer: boolean, now: number): EmittedEvent | BinnacleError {
  try {
    return parseEvent(raw, hasProducer, now);
  } catch (error) {
    if (error instanceof BinnacleError) return error;
    throw error;
  }
}

/** Throws `session_taken`: events of two emitters under the same name are never mixed. */
function checkClaim(known: ForeignRecord, { user, producer }: Emitter, events: readonly EmittedEvent[]): void {
  const isSame =
    known.user === user &&
    known.producer === (producer?.id ?? null) &&
    // Without a producer, only the source distinguishes the programs of one user.
    (producer !== undefined || events.every(({ source = known.source }) => source === known.source));
  if (isSame) return;
  // Details of another user's session must not be revealed.
  throw new BinnacleError('session_taken', known.user === user ? { details: { source: known.source } } : {});
}

/** Returns the outcomes of events for an ended session. */
const overOutcomes = (known: ForeignProgress, { producer }: Emitter, events: readonly EmittedEvent[]): EventOutcome[] =>
  events.map(({ seq }) => {
    const number = numberCheck(known, producer, seq);
    return number === 'stored' ? sessionEnded() : number;
  });

function resultsOf(
  events: readonly EmittedEvent[],
  outcomes: readonly EventOutcome[],
  session: SessionId,
  head: Parameters<typeof formatPosition>[0],
): EmitResult[] {
  const position = formatPosition(head);
  return events.map(({ sessionId, seq }, at): EmitResult => {
    const outcome = outcomes[at];
    if (outcome === 'stored' || outcome === 'duplicate') {
      return { status: outcome, session_id: sessionId, seq, session, position, offset: head.offset };
    }
    return refusal(outcome ?? new BinnacleError('internal'), { sessionId, seq });
  });
}

const refusedFrom = (events: readonly EmittedEvent[], why: BinnacleError): EmitResult[] =>
  events.map((event, at) => refusal(at === 0 ? why : new BinnacleError('earlier_refused'), event));

const refusal = (
  error: BinnacleError,
  { sessionId, seq }: { readonly sessionId: string | null; readonly seq: number | null },
): EmitResult => ({ status: 'refused', session_id: sessionId, seq, error: error.toWire() });

function changeOf({ end, progress, head, epoch }: ForeignLog) {
  const { exitCode = null, signal = null, isLost = false } = end ?? {};
  const state = isLost ? 'lost' : 'closed';
  return { state, epoch, exitCode, signal, exitedAt: progress.heardAt, head } as const;
}

function statusOf({ session, log }: OpenedLog): HostedStatus {
  const { cols, rows } = session.record.spec;
  return {
    id: session.id,
    state: 'running',
    pid: null,
    epoch: log.epoch,
    head: log.head,
    oldest: log.oldest,
    synced: log.synced,
    exitCode: null,
    signal: null,
    exitedAt: null,
    cols,
    rows,
    fence: 0,
    stalled: null,
    runs: null,
  };
}
