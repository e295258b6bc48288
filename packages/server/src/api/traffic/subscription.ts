// Which sessions one subscription of /ws/pty-traffic follows, and from where: those that match now, and those that begin
// to. Knows no socket; what each of them says is a feed's.

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
import { type FeedMessage, type FeedOutlet, TrafficFeed } from './feed.ts';
import { matches } from './filter.ts';
import { parseTextPosition, type Subscribe, type TextPosition } from './messages.ts';

/** What the error names of those that wait. */
const MAX_NAMED = 20;
/** Some 50 us each, in which nobody else is served. */
const LIST_PAGE = 200;
/** Of so many that leave the line one is from its end: else those who say much would keep it waiting for ever. */
const OLD_IN = 4;
/** A line that is gone by then is worth no word. */
const LINE_MS = 1000;
/** Begun in one turn: to open a log takes some tenths of a millisecond, in which nobody else is served. */
const BEGUN_IN_TURN = 8;

/** What a subscription needs of its connection. */
export interface SubscriptionOutlet {
  readonly hasRoom: boolean;
  /** Some wait for a place, of whichever subscription. */
  readonly hasLine: boolean;
  /** Of all subscriptions of the connection. */
  readonly maxFollowed: number;
  /** False: as many sessions are followed as may be. */
  admit(): boolean;
  /** Takes back what `admit` gave. */
  leave(): void;
  /** Calls `advance` in a turn to come. */
  advanceSoon(): void;
  /** Output, of which there may be much. */
  show(message: TrafficServerMessage): void;
  say(message: TrafficServerMessage): void;
}

/** Where a session is to be read from. A position is text as the client or the list has it. */
interface Wish {
  readonly id: SessionId;
  readonly from: 'start' | { readonly position: string; readonly isNew: boolean };
}

interface Following {
  readonly feed: TrafficFeed;
  readonly release: () => void;
}

/** Waits for a place. */
interface InLine {
  readonly id: SessionId;
  /** False: it does not want the place any more. */
  begin(): boolean;
}

export class TrafficSubscription {
  readonly id: string;
  readonly #asked: Subscribe;
  readonly #filter: TrafficFilter;
  readonly #seen: SeenSessions;
  readonly #outlet: SubscriptionOutlet;
  /** They have a place each. */
  readonly #following = new Map<SessionId, Following>();
  /** Told as far as they go. They have no place, and want one when they grow. */
  readonly #quiet = new Map<SessionId, Following>();
  /** Followed, waiting, or told to their end: not to be begun again. */
  readonly #known = new Set<SessionId>();
  /** For others to end, or to fall silent. The newest, and those who have just grown, are in front. */
  readonly #line: InLine[] = [];
  #left = 0;
  #lineTimer: NodeJS.Timeout | undefined;
  /** Those that changed while the list was made: set until then. */
  #early: Map<SessionId, Session> | undefined = new Map();
  #unwatch: (() => void) | undefined;
  #isLineTold = false;
  #isOver = false;

  constructor(asked: Subscribe, seen: SeenSessions, outlet: SubscriptionOutlet) {
    this.id = asked.id;
    this.#asked = asked;
    this.#filter = asked.filter as TrafficFilter;
    this.#seen = seen;
    this.#outlet = outlet;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get hasLine(): boolean {
    return this.#line.length > 0;
  }

  /** Throws what there is against it; nothing was told then. */
  async open(): Promise<void> {
    const { resume, filter } = this.#asked;
    const isWide = filter.session_id === undefined;
    const from = this.#asked.from ?? (isWide ? 'now' : 'start');
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
    if (isPlace) await this.#check(found, from);
    if (this.#isOver) return;
    this.#outlet.say({
      type: 'subscribed',
      id: this.id,
      filter: this.#filter,
      sessions: found.length,
      timestamp: Date.now(),
    });
    const wishes = found.map((info) => this.#wish(info, from, isWide));
    for (const wish of wishes) {
      if (wish === undefined) continue;
      this.#known.add(wish.id);
      this.#line.push(this.#inLine(wish));
    }
    this.#outlet.advanceSoon();
    for (const { id, state } of found) if (state !== 'starting') this.#known.add(id);
    const early = this.#early;
    this.#early = undefined;
    for (const session of early?.values() ?? []) this.#sessionOnChange(session);
  }

  /** There is room in the socket. */
  resume(): void {
    for (const [id, following] of this.#following) {
      following.feed.resume();
      if (this.#outlet.hasRoom) continue;
      if (!this.#following.delete(id)) return;
      // The next one is first in line when there is room again.
      this.#following.set(id, following);
      return;
    }
  }

  /** Begins with those in line, as far as there is room and in one turn. */
  advance(): void {
    for (let begun = 0; this.#line.length > 0; begun += 1) {
      if (begun === BEGUN_IN_TURN) {
        this.#outlet.advanceSoon();
        return;
      }
      if (!this.#outlet.admit()) {
        if (!this.#isLineTold) this.#lineTimer ??= setTimeout(() => this.#tellLine(), LINE_MS);
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

  /** Those that match now and may be seen, newest first. */
  async #find(): Promise<SessionInfo[]> {
    const { session_id } = this.#filter;
    if (session_id !== undefined && isSessionId(session_id)) {
      const info = await this.#one(session_id);
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

  /** Undefined: it is no id of ours, but an emitter may have chosen it. */
  async #one(id: SessionId): Promise<SessionInfo | undefined> {
    try {
      return await this.#seen.info(id);
    } catch (error) {
      if (!(error instanceof BinnacleError) || error.code !== 'session_not_found') throw error;
      return undefined;
    }
  }

  /** A position that is wrong is refused before anything is told. */
  async #check(found: readonly SessionInfo[], position: string): Promise<void> {
    if (found.length === 0) throw new BinnacleError('session_not_found');
    for (const { id } of found) {
      const session = this.#seen.get(id);
      await session.refresh();
      await positionOf(session.log, placeOf(position));
    }
  }

  /** Undefined: nothing of it is wanted. */
  #wish(info: SessionInfo, from: string, isWide: boolean): Wish | undefined {
    const { id, position, state, createdAt, exitedAt } = info;
    const isFinished = state === 'closed' || state === 'lost';
    const { resume } = this.#asked;
    // There is no log yet; the change that says that there is will find it.
    if (state === 'starting') return undefined;
    const known = resume?.positions[id];
    if (known !== undefined) {
      // Of one that was asked for by name the end is said again.
      if (isWide && isFinished && placeOf(known) === position) return undefined;
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
    // Of one that is just starting there is no log yet; the next change says that there is.
    if (session.record.state === 'starting' || !matches(this.#filter, session.info)) return;
    this.#known.add(id);
    this.#toFront(this.#inLine({ id, from: 'start' }));
  }

  #inLine(wish: Wish): InLine {
    return {
      id: wish.id,
      begin: () => {
        this.#begin(wish);
        return true;
      },
    };
  }

  #toFront(next: InLine): void {
    this.#line.unshift(next);
    this.#outlet.advanceSoon();
  }

  /** It has nothing to tell now: others may have its place. */
  #leave(id: SessionId, following: Following): void {
    this.#following.delete(id);
    this.#quiet.set(id, following);
    this.#outlet.leave();
  }

  /** It has grown. False: it waits for a place. */
  #comeBack(id: SessionId, following: Following): boolean {
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

  #tellLine(): void {
    this.#lineTimer = undefined;
    if (this.#isLineTold || this.#line.length === 0) return;
    this.#isLineTold = true;
    const waiting = this.#line.slice(0, MAX_NAMED).map(({ id }) => id);
    const error = new BinnacleError('too_many_subscriptions', {
      message: 'More sessions have something to say than one connection follows at once: the others wait for a place.',
      hint: 'Use a narrower filter, or more connections.',
      details: { limit: this.#outlet.maxFollowed, waiting: this.#line.length, sessions: waiting },
    });
    this.#outlet.say({ type: 'error', id: this.id, error: error.toWire() });
  }

  /** It was admitted. */
  #begin(wish: Wish): void {
    this.#place(wish).then(
      (from) => {
        if (from === undefined) this.#outlet.leave();
        else this.#follow(wish, from);
      },
      (error: unknown) => {
        this.#outlet.leave();
        this.#fail(wish.id, error);
      },
    );
  }

  async #place({ id, from }: Wish): Promise<{ readonly session: Session; readonly at: TextPosition } | undefined> {
    if (this.#isOver) return undefined;
    const session = this.#seen.get(id);
    if (from === 'start') return { session, at: { at: await positionOf(session.log, 'start'), held: new Map() } };
    const { at, held } = parseTextPosition(from.position);
    // Who was told of it knows more than we may.
    if (at.place > session.log.head.place) await session.refresh();
    return { session, at: { at: await positionOf(session.log, placeOf(from.position)), held } };
  }

  #follow({ id, from }: Wish, { session, at }: { readonly session: Session; readonly at: TextPosition }): void {
    if (this.#isOver) {
      this.#outlet.leave();
      return;
    }
    // Whose it is may have changed while we waited.
    if (!this.#seen.has(id)) {
      this.#outlet.leave();
      this.#fail(id, new BinnacleError('session_not_found'));
      return;
    }
    const outlet: FeedOutlet = {
      hasRoom: () => this.#outlet.hasRoom,
      tell: (message) => this.#show(message),
      quiet: () => this.#leave(id, following),
      wake: () => this.#comeBack(id, following),
      over: () => this.#drop(id),
      failed: (error) => {
        this.#drop(id);
        this.#fail(id, error, session);
      },
    };
    const isNew = from === 'start' || from.isNew;
    const feed = new TrafficFeed({ session, from: at, isNew, encoding: this.#asked.encoding, outlet });
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
    const following: Following = { feed, release };
    this.#following.set(id, following);
    feed.resume();
  }

  #show(message: FeedMessage): void {
    this.#outlet.show({ ...message, id: this.id });
  }

  /** It is not followed any more, whatever comes: what it is known for stays. */
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
    // It may match again, and is read from its start then.
    if (known.code === 'session_not_found') this.#known.delete(id);
    this.#outlet.say({ type: 'error', id: this.id, session_id, session: id, error: known.toWire() });
  }
}

/** Less the bytes that go along. */
const placeOf = (position: string): string => position.split('~', 1)[0] ?? '';
