// The sessions that one subscription of /ws/pty-traffic follows, and their start positions: matching sessions now and
// later. A feed generates the messages of each session.

import {
  BinnacleError,
  isSessionId,
  type SessionId,
  type SessionInfo,
  type TrafficFilter,
  type TrafficServerMessage,
} from '@binnacle/protocol';
import { positionOf } from '../../cursor/start-position.ts';
import type { Session } from '../../sessions/session.ts';
import type { SeenSessions } from '../../visibility/session-access.ts';
import { resumeByTurns, type Wire } from '../stream/wire.ts';
import { TrafficFeed, type TrafficFeedOutlet } from './feed.ts';
import { matches } from './filter.ts';
import { parseTextPosition, type Subscribe, type TextPosition } from './messages.ts';

/** Maximum waiting sessions that the error names. */
const MAX_NAMED = 20;
/** Sessions per page of the list. Each costs some 50 us, during which the gateway serves nothing else. */
const LIST_PAGE = 200;
/** Every fourth admission takes the oldest waiter, so that busy sessions cannot starve it. */
const OLD_IN = 4;
/** Delay before a waiting line is reported: a line that clears sooner needs no message. */
const LINE_MS = 1000;
/**
 * Maximum feeds started per event-loop turn: to open a log takes some tenths of a millisecond, during which the gateway
 * serves nothing else.
 */
const STARTS_PER_SLICE = 8;

/** The parts of a connection that a subscription needs. */
export interface SubscriptionOutlet {
  readonly wire: Wire;
  /** True if a session of any subscription of the connection waits for a slot. */
  readonly hasLine: boolean;
  /** Maximum sessions followed by all subscriptions of the connection. */
  readonly maxFollowed: number;
  /** Reserves a slot. False: all slots are in use. */
  admit(): boolean;
  /** Returns a slot that `admit` reserved. */
  leave(): void;
  /** Calls `advance` in a later event-loop turn. */
  advanceSoon(): void;
  /** Sends a message that no log buffers. */
  say(message: TrafficServerMessage): void;
}

/** Start of reading a session. A position is text from the client or from the list. */
interface ReadStart {
  readonly id: SessionId;
  readonly from: 'start' | { readonly position: string; readonly isNew: boolean };
}

interface FollowedSession {
  readonly feed: TrafficFeed;
  readonly release: () => void;
}

/** A session waiting for a slot. */
interface QueuedSession {
  readonly id: SessionId;
  /** Starts with the slot. False: the slot is no longer needed. */
  begin(): boolean;
}

export class TrafficSubscription {
  readonly id: string;
  readonly #request: Subscribe;
  readonly #filter: TrafficFilter;
  readonly #seen: SeenSessions;
  readonly #outlet: SubscriptionOutlet;
  /** Sessions with a slot. */
  readonly #following = new Map<SessionId, FollowedSession>();
  /** Sessions sent up to the head of their logs. They have no slot, and request one when the log grows. */
  readonly #quiet = new Map<SessionId, FollowedSession>();
  /** Sessions that are followed, waiting, or sent to their end: not to be started again. */
  readonly #known = new Set<SessionId>();
  /**
   * Line for slots, which become free when a session ends or is idle. The newest sessions, and those that have just
   * grown, go to the front.
   */
  readonly #line: QueuedSession[] = [];
  #left = 0;
  #lineTimer: NodeJS.Timeout | undefined;
  /** Sessions that changed while the list was read; undefined afterwards. */
  #early: Map<SessionId, Session> | undefined = new Map();
  #unwatch: (() => void) | undefined;
  #isLineReported = false;
  #isOver = false;

  constructor(request: Subscribe, seen: SeenSessions, outlet: SubscriptionOutlet) {
    this.id = request.id;
    this.#request = request;
    this.#filter = request.filter as TrafficFilter;
    this.#seen = seen;
    this.#outlet = outlet;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get hasLine(): boolean {
    return this.#line.length > 0;
  }

  /** Opens the subscription. Throws before the first message is sent. */
  async open(): Promise<void> {
    const { resume, filter } = this.#request;
    const isWide = filter.session_id === undefined;
    const from = this.#request.from ?? (isWide ? 'now' : 'start');
    const isPlace = from !== 'start' && from !== 'now';
    if (isPlace) {
      if (isWide) {
        const message = 'A position belongs to one session.';
        throw new BinnacleError('bad_request', { message, hint: 'Add a session_id to the filter.' });
      }
      parseTextPosition(from);
    }
    for (const position of Object.values(resume?.positions ?? {})) parseTextPosition(position);
    this.#unwatch = this.#seen.watch({
      changed: (session) => this.#sessionOnChange(session),
      deleted: (session) => this.#known.delete(session.id),
    });
    const found = await this.#find();
    if (this.#isOver) return;
    if (isPlace) await this.#checkPosition(found, from);
    if (this.#isOver) return;
    this.#outlet.say({
      type: 'subscribed',
      id: this.id,
      filter: this.#filter,
      sessions: found.length,
      timestamp: Date.now(),
    });
    const starts = found.map((info) => this.#startOf(info, from, isWide));
    for (const start of starts) {
      if (start === undefined) continue;
      this.#known.add(start.id);
      this.#line.push(this.#queuedStart(start));
    }
    this.#outlet.advanceSoon();
    for (const { id, state } of found) if (state !== 'starting') this.#known.add(id);
    const early = this.#early;
    this.#early = undefined;
    for (const session of early?.values() ?? []) this.#sessionOnChange(session);
  }

  /** Continues all feeds when the socket has room. */
  resume(): void {
    resumeByTurns(
      this.#following,
      ({ feed }) => feed.resume(),
      () => this.#outlet.wire.isFull,
    );
  }

  /** Starts waiting sessions while slots are free, up to a limit per event-loop turn. */
  advance(): void {
    for (let begun = 0; this.#line.length > 0; begun += 1) {
      if (begun === STARTS_PER_SLICE) {
        this.#outlet.advanceSoon();
        return;
      }
      if (!this.#outlet.admit()) {
        if (!this.#isLineReported) this.#lineTimer ??= setTimeout(() => this.#reportLine(), LINE_MS);
        return;
      }
      this.#left += 1;
      const next = this.#left % OLD_IN === 0 ? this.#line.pop() : this.#line.shift();
      if (next?.begin() !== true) this.#outlet.leave();
    }
    clearTimeout(this.#lineTimer);
    this.#lineTimer = undefined;
  }

  stop(): void {
    this.#isOver = true;
    this.#unwatch?.();
    this.#line.length = 0;
    clearTimeout(this.#lineTimer);
    for (const id of [...this.#following.keys(), ...this.#quiet.keys()]) this.#drop(id);
  }

  /** Returns the visible sessions that match now, newest first. */
  async #find(): Promise<SessionInfo[]> {
    const { session_id } = this.#filter;
    if (session_id !== undefined && isSessionId(session_id)) {
      const info = await this.#sessionInfo(session_id);
      if (info !== undefined) return matches(this.#filter, info) ? [info] : [];
    }
    const found: SessionInfo[] = [];
    let after: string | null = null;
    do {
      const page = await this.#seen.list({ limit: LIST_PAGE, ...(after === null ? {} : { after }) });
      found.push(...page.sessions.filter((info) => matches(this.#filter, info)));
      after = this.#isOver ? null : page.next;
    } while (after !== null);
    return found;
  }

  /** Returns a session by its id. Undefined: not an id of this gateway, but possibly an emitter's own id. */
  async #sessionInfo(id: SessionId): Promise<SessionInfo | undefined> {
    try {
      return await this.#seen.info(id);
    } catch (error) {
      if (!(error instanceof BinnacleError) || error.code !== 'session_not_found') throw error;
      return undefined;
    }
  }

  /** Checks a position, so that a wrong one is refused before the first message. */
  async #checkPosition(found: readonly SessionInfo[], position: string): Promise<void> {
    if (found.length === 0) throw new BinnacleError('session_not_found');
    for (const { id } of found) {
      const session = this.#seen.get(id);
      await session.refresh();
      await positionOf(session.log, logPositionOf(position));
    }
  }

  /** Returns the start of reading a session, or undefined if nothing of the session is wanted. */
  #startOf(info: SessionInfo, from: string, isWide: boolean): ReadStart | undefined {
    const { id, position, state, createdAt, exitedAt } = info;
    const isFinished = state === 'closed' || state === 'lost';
    const { resume } = this.#request;
    // A starting session has no log yet; its next change starts the feed.
    if (state === 'starting') return undefined;
    const known = resume?.positions[id];
    if (known !== undefined) {
      // A session that was requested by name gets its end again.
      if (isWide && isFinished && logPositionOf(known) === position) return undefined;
      return { id, from: { position: known, isNew: false } };
    }
    if (resume !== undefined && (createdAt >= resume.since || (exitedAt ?? 0) >= resume.since))
      return { id, from: 'start' };
    if (resume === undefined && from === 'start') return { id, from };
    if (resume === undefined && from !== 'now') return { id, from: { position: from, isNew: false } };
    return isWide && isFinished ? undefined : { id, from: { position, isNew: true } };
  }

  #sessionOnChange(session: Session): void {
    if (this.#isOver) return;
    const { id } = session;
    if (this.#early !== undefined) {
      this.#early.set(id, session);
      return;
    }
    if (this.#known.has(id)) {
      if (!session.isHosted) (this.#following.get(id) ?? this.#quiet.get(id))?.feed.settle();
      return;
    }
    // A starting session has no log yet; its next change starts the feed.
    if (session.record.state === 'starting' || !matches(this.#filter, session.info)) return;
    this.#known.add(id);
    this.#toFront(this.#queuedStart({ id, from: 'start' }));
  }

  #queuedStart(start: ReadStart): QueuedSession {
    return {
      id: start.id,
      begin: () => {
        this.#begin(start);
        return true;
      },
    };
  }

  #toFront(next: QueuedSession): void {
    this.#line.unshift(next);
    this.#outlet.advanceSoon();
  }

  /** Frees the slot of an idle feed for other feeds. */
  #releaseSlot(id: SessionId, following: FollowedSession): void {
    this.#following.delete(id);
    this.#quiet.set(id, following);
    this.#outlet.leave();
  }

  /** Requests a slot for a feed whose log has grown. False: the feed waits for a slot. */
  #requestSlot(id: SessionId, following: FollowedSession): boolean {
    const enter = (): void => {
      this.#quiet.delete(id);
      this.#following.set(id, following);
    };
    if (!this.#outlet.hasLine && this.#outlet.admit()) {
      enter();
      return true;
    }
    this.#toFront({
      id,
      begin: () => {
        // Dropped while it waited.
        if (this.#quiet.get(id) !== following) return false;
        enter();
        following.feed.enter();
        return true;
      },
    });
    return false;
  }

  #reportLine(): void {
    this.#lineTimer = undefined;
    if (this.#isLineReported || this.#line.length === 0) return;
    this.#isLineReported = true;
    const waiting = this.#line.slice(0, MAX_NAMED).map(({ id }) => id);
    const error = new BinnacleError('too_many_subscriptions', {
      message: 'More sessions have something to say than one connection follows at once: the others wait for a place.',
      hint: 'Use a narrower filter, or more connections.',
      details: { limit: this.#outlet.maxFollowed, waiting: this.#line.length, sessions: waiting },
    });
    this.#outlet.say({ type: 'error', id: this.id, error: error.toWire() });
  }

  /** Starts a session that has been admitted. */
  #begin(start: ReadStart): void {
    this.#locate(start).then(
      (from) => {
        if (from === undefined) this.#outlet.leave();
        else this.#follow(start, from);
      },
      (error: unknown) => {
        this.#outlet.leave();
        this.#fail(start.id, error);
      },
    );
  }

  async #locate({
    id,
    from,
  }: ReadStart): Promise<{ readonly session: Session; readonly at: TextPosition } | undefined> {
    if (this.#isOver) return undefined;
    const session = this.#seen.get(id);
    if (from === 'start') return { session, at: { at: await positionOf(session.log, 'start'), incomplete: new Map() } };
    const { at, incomplete } = parseTextPosition(from.position);
    // The client may know of newer output than the local head shows.
    if (at.place > session.log.head.place) await session.refresh();
    return { session, at: { at: await positionOf(session.log, logPositionOf(from.position)), incomplete } };
  }

  #follow({ id, from }: ReadStart, { session, at }: { readonly session: Session; readonly at: TextPosition }): void {
    if (this.#isOver) {
      this.#outlet.leave();
      return;
    }
    // Checks access again: the owner of the session may have changed during the awaits.
    if (!this.#seen.has(id)) {
      this.#outlet.leave();
      this.#fail(id, new BinnacleError('session_not_found'));
      return;
    }
    const outlet: TrafficFeedOutlet = {
      wire: this.#outlet.wire,
      encode: (message) => JSON.stringify({ ...message, id: this.id }),
      quiet: () => this.#releaseSlot(id, following),
      wake: () => this.#requestSlot(id, following),
      over: () => this.#drop(id),
      failed: (error) => {
        this.#drop(id);
        this.#fail(id, error, session);
      },
    };
    const isNew = from === 'start' || from.isNew;
    const feed = new TrafficFeed({ session, from: at, isNew, encoding: this.#request.encoding, outlet });
    const unlisten = session.listen({
      deleted: () => {
        this.#drop(id);
        this.#fail(id, new BinnacleError('session_gone'), session);
      },
    });
    const letGo = this.#seen.hold(session, (why) => {
      this.#drop(id);
      this.#fail(id, why, session);
    });
    const release = (): void => {
      feed.stop();
      unlisten();
      letGo();
    };
    const following: FollowedSession = { feed, release };
    this.#following.set(id, following);
    feed.resume();
  }

  /** Stops following a session. Leaves `#known` unchanged, so that the session is not started again. */
  #drop(id: SessionId): void {
    const following = this.#following.get(id) ?? this.#quiet.get(id);
    if (following === undefined) return;
    following.release();
    if (this.#following.delete(id)) this.#outlet.leave();
    else this.#quiet.delete(id);
  }

  #fail(id: SessionId, error: unknown, session?: Session): void {
    if (this.#isOver) return;
    const known = BinnacleError.of(error);
    const session_id = session?.record.foreign?.sessionId ?? id;
    // A session that matches again later is read from its start.
    if (known.code === 'session_not_found') this.#known.delete(id);
    this.#outlet.say({ type: 'error', id: this.id, session_id, session: id, error: known.toWire() });
  }
}

/** Returns the position without the bytes of incomplete characters. */
const logPositionOf = (position: string): string => position.split('~', 1)[0] ?? '';
