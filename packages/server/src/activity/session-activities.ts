// What each session is doing, for lists: of its agent's turn where it belongs to one, of its runs, else of what its
// terminal says. Made again from the logs after a restart; keeps only when each began to wait.

import type { Approval, SessionActivity, StatusReport } from '@binnacle/protocol';
import type { Log } from '../base/logger.ts';
import type { Session } from '../sessions/session.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { WaitStore } from '../store/waits.ts';
import { ActivityFollower, type LookTimes, type Sight } from './activity-follower.ts';
import { ACTIVITY_TIMES } from './activity-machine.ts';
import { safeLine } from './marks.ts';
import { LookTurns } from './scan-budget.ts';

export interface SessionActivityTimes extends LookTimes {
  /** From one change that is told of a session to the next, at least. That it waits is told at once. */
  readonly tellMs: number;
}

/** Reports overtake one another by less; beyond it the clock was set. */
const OVERTAKEN_MS = 30_000;

const TIMES: SessionActivityTimes = { ...ACTIVITY_TIMES, lookMs: 250, tellMs: 1000 };

/** What a conversation says of itself, in whose terminals the sessions are. */
export interface TurnNow {
  /** Null: no turn is under way. ms since 1970. */
  readonly runningSince: number | null;
  readonly approvals: readonly Pick<Approval, 'title' | 'askedAt'>[];
}

export interface SessionActivitiesParts {
  readonly sessions: Sessions;
  /** By the id of a conversation; undefined: nothing happens in it. */
  turnOf(conversation: string): TurnNow | undefined;
  /** Draws the screen of a session; undefined where it has none. */
  see(session: Session): Promise<Sight | undefined>;
  /** Keeps when they began to wait. One that is told again is no other. */
  readonly waits: Pick<WaitStore, 'put'>;
  readonly log: Log;
}

interface Followed {
  readonly follower: ActivityFollower;
  hasBegun: boolean;
  /** When its last run began, ms since 1970; null: it had none yet, or an earlier gateway saw it. */
  runSince: number | null;
  toldAt: number;
  /** When its newest report was made, ms since 1970, by the clock of who made it. */
  reportedAt: number;
  timer: NodeJS.Timeout | undefined;
}

export class SessionActivities {
  readonly #parts: SessionActivitiesParts;
  readonly #times: SessionActivityTimes;
  readonly #turns = new LookTurns();
  /** Screens that are drawn for nobody but us. */
  readonly #sights = new LookTurns();
  readonly #followed = new Map<string, Followed>();
  readonly #unwatch: () => void;
  /** Logs are read again one after the other: a gateway that starts has other things to do. */
  #beginning: Promise<void> = Promise.resolve();

  constructor(parts: SessionActivitiesParts, times: Partial<SessionActivityTimes> = {}) {
    this.#parts = parts;
    this.#times = { ...TIMES, ...times };
    this.#unwatch = parts.sessions.watch({
      changed: (session) => this.#sessionOnChange(session),
      deleted: ({ id }) => this.#drop(id),
      typed: (session) => this.#followed.get(session.id)?.follower.typed(),
      ran: ({ id }, run) => {
        const followed = this.#followed.get(id);
        if (followed !== undefined && run.state === 'running') followed.runSince = run.startedAt;
        this.#settle(id);
      },
    });
    for (const session of parts.sessions.live()) this.#sessionOnChange(session, true);
  }

  /** A turn of that conversation began, asked, was answered or ended. */
  turnChanged(conversation: string): void {
    for (const [id, { follower }] of this.#followed) {
      if (follower.session.record.conversation === conversation) this.#settle(id);
    }
  }

  /** A program of the session reports its state. False where no such session runs. */
  report(id: string, { state, reason, text = '', at = 0 }: StatusReport): boolean {
    const followed = this.#followed.get(id);
    if (followed !== undefined && at > 0) {
      // Reports through the terminal count as well: they are not delayed.
      const behindMs = Math.max(followed.reportedAt, followed.follower.reportedInTerminalAt ?? 0) - at;
      if (behindMs > 0 && behindMs < OVERTAKEN_MS) return true;
      followed.reportedAt = at;
    }
    followed?.follower.reported({ kind: 'status', state, reason: reason ?? null, text: safeLine(text) || null });
    return followed !== undefined;
  }

  stop(): void {
    this.#unwatch();
    for (const id of [...this.#followed.keys()]) this.#drop(id);
  }

  #sessionOnChange(session: Session, isFromBefore = false): void {
    const { hidden, state } = session.record;
    if (hidden) return;
    if (state !== 'running' && state !== 'starting') {
      this.#drop(session.id);
      return;
    }
    let followed = this.#followed.get(session.id);
    if (followed !== undefined && followed.follower.session !== session) {
      this.#drop(session.id);
      followed = undefined;
    }
    if (followed === undefined) {
      followed = this.#follow(session, isFromBefore);
      this.#followed.set(session.id, followed);
    }
    if (state === 'running' && !followed.hasBegun) this.#begin(followed);
  }

  #follow(session: Session, isFromBefore: boolean): Followed {
    const { id } = session;
    const follower = new ActivityFollower(
      session,
      this.#times,
      { looks: this.#turns, sights: this.#sights },
      {
        isFromBefore,
        changed: () => this.#settle(id),
        see: (seen) => this.#parts.see(seen),
        failed: (error) => {
          this.#parts.log.warn({ err: error, session: id }, 'what a session is doing cannot be seen');
          // The next change of the session's state tries again.
          const followed = this.#followed.get(id);
          if (followed !== undefined) followed.hasBegun = false;
        },
      },
    );
    return {
      follower,
      hasBegun: false,
      runSince: null,
      toldAt: Number.NEGATIVE_INFINITY,
      reportedAt: 0,
      timer: undefined,
    };
  }

  #begin(followed: Followed): void {
    followed.hasBegun = true;
    this.#beginning = this.#beginning.then(async () => {
      followed.hasBegun = await followed.follower.begin();
    });
  }

  #drop(id: string): void {
    const followed = this.#followed.get(id);
    if (followed === undefined) return;
    this.#followed.delete(id);
    clearTimeout(followed.timer);
    followed.follower.stop();
    followed.follower.session.does(null);
  }

  /** Tells what it does now, if it is another thing than was told: that it waits at once, the rest now and then. */
  #settle(id: string): void {
    const followed = this.#followed.get(id);
    if (followed === undefined) return;
    const { session } = followed.follower;
    const now = this.#activityOf(followed);
    const told = session.activity;
    if (told !== null && told.state === now.state && told.text === now.text && told.since === now.since) {
      clearTimeout(followed.timer);
      followed.timer = undefined;
      return;
    }
    const isUrgent = isWaiting(now) && (told === null || !isWaiting(told));
    const rest = followed.toldAt + this.#times.tellMs - performance.now();
    if (!isUrgent && rest > 0) {
      followed.timer ??= setTimeout(() => {
        followed.timer = undefined;
        this.#settle(id);
      }, rest);
      followed.timer.unref();
      return;
    }
    clearTimeout(followed.timer);
    followed.timer = undefined;
    followed.toldAt = performance.now();
    if (isUrgent) this.#keep(session, now);
    session.does(now, followed.follower.isAsFound);
  }

  #keep({ id, info }: Session, { since, text }: SessionActivity): void {
    try {
      this.#parts.waits.put(id, { since, offset: info.outputOffset, text: text ?? '' });
    } catch (error) {
      this.#parts.log.warn({ err: error, session: id }, 'that a session waits could not be kept for its timeline');
    }
  }

  #activityOf({ follower: { session, now }, runSince }: Followed): SessionActivity {
    const { conversation, spec } = session.record;
    const turn = conversation === null ? undefined : this.#parts.turnOf(conversation);
    const [asked] = turn?.approvals ?? [];
    if (asked !== undefined) {
      return { state: 'waiting_approval', since: asked.askedAt, text: safeLine(asked.title) || null };
    }
    if (now.state === 'asking') return { ...now, state: 'waiting_approval' };
    if (now.state === 'waiting') return { ...now, state: 'waiting_input' };
    const runningSince = turn?.runningSince ?? null;
    if (runningSince !== null && now.state === 'idle') {
      return { state: 'working', since: Math.max(runningSince, now.since), text: null };
    }
    // A shell that takes runs works while there is one, however quiet it is.
    if (spec.takesRuns && now.state === 'idle' && (session.info.runs?.current ?? null) !== null) {
      return { state: 'working', since: runSince ?? now.since, text: null };
    }
    return { ...now, state: now.state };
  }
}

const isWaiting = ({ state }: SessionActivity): boolean => state === 'waiting_approval' || state === 'waiting_input';
