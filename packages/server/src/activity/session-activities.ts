// Activity of each session, for lists: from the turn of its agent if it belongs to a conversation, from its runs, else
// from its terminal. Rebuilt from the logs after a restart; only the start times of waits are stored.

import type { Approval, SessionActivity, StatusReport } from '@binnacle/protocol';
import type { Log } from '../base/logger.ts';
import { SerialQueue } from '../base/serial-queue.ts';
import { Timer } from '../base/timer.ts';
import type { Session } from '../sessions/session.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { WaitStore } from '../store/waits.ts';
import { ActivityFollower, type FollowerTimes, type ScreenContents } from './activity-follower.ts';
import { ACTIVITY_TIMES } from './activity-machine.ts';
import { safeLine } from './marks.ts';
import { ScanBudget } from './scan-budget.ts';

export interface SessionActivityTimes extends FollowerTimes {
  /** Minimum delay between two reported changes of a session (throttle). A new wait is reported at once. */
  readonly publishMs: number;
}

/** Maximum delay by which reports overtake one another; beyond it the clock was set. */
const OVERTAKEN_MS = 30_000;

const TIMES: SessionActivityTimes = { ...ACTIVITY_TIMES, readMs: 250, publishMs: 1000 };

/** State of the conversation to which a session belongs. */
export interface TurnNow {
  /** Null: no turn is under way. Ms since 1970. */
  readonly runningSince: number | null;
  readonly approvals: readonly Pick<Approval, 'title' | 'askedAt'>[];
}

export interface SessionActivitiesParts {
  readonly sessions: Sessions;
  /** Returns the state of a conversation by id; undefined while nothing happens in it. */
  turnOf(conversation: string): TurnNow | undefined;
  /** Draws the screen of a session; undefined for a session without one. */
  see(session: Session): Promise<ScreenContents | undefined>;
  /** Stores the start times of waits. A wait that is reported again is the same wait. */
  readonly waits: Pick<WaitStore, 'put'>;
  readonly log: Log;
}

interface FollowedSession {
  readonly follower: ActivityFollower;
  hasBegun: boolean;
  /** Start time of its last run, in ms since 1970; null: no run yet, or an earlier gateway saw it. */
  runSince: number | null;
  publishedAt: number;
  /** Its newest report. `at`: ms since 1970, on the reporter's clock; 0 if no report had a time. */
  newest: StatusReport & { readonly at: number };
  readonly timer: Timer;
}

export class SessionActivities {
  readonly #parts: SessionActivitiesParts;
  readonly #times: SessionActivityTimes;
  readonly #readBudget = new ScanBudget();
  /** Budget of screens that are drawn for activity alone. */
  readonly #screenBudget = new ScanBudget();
  readonly #followed = new Map<string, FollowedSession>();
  readonly #unwatch: () => void;
  /** Queue of logs to read again, one after the other: a starting gateway has other work. */
  readonly #beginning = new SerialQueue();

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

  /** Handles a change of a conversation's turn: started, asked, answered or ended. */
  turnChanged(conversation: string): void {
    for (const [id, { follower }] of this.#followed) {
      if (follower.session.record.conversation === conversation) this.#settle(id);
    }
  }

  /** Applies a report of a session's program about its state. Returns false if no such session runs. */
  report(id: string, report: StatusReport): boolean {
    const { state, reason, text = '', at = 0 } = report;
    const followed = this.#followed.get(id);
    if (followed !== undefined) {
      const { newest } = followed;
      // Reports through the terminal count as well: they are not delayed.
      const inTerminalAt = followed.follower.reportedInTerminalAt ?? 0;
      const behindMs = at > 0 ? Math.max(newest.at, inTerminalAt) - at : 0;
      const isOvertaken = behindMs > 0 && behindMs < OVERTAKEN_MS;
      // An agent runs two hooks for one question at the same time, and only one of them knows its text.
      const isSame = inTerminalAt <= newest.at && newest.state === state && newest.reason === reason;
      const addsText = isSame && text !== '' && (newest.text ?? '') === '';
      if (isOvertaken && !addsText) return true;
      followed.newest = { ...report, at: isOvertaken || at === 0 ? newest.at : at };
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

  #follow(session: Session, isFromBefore: boolean): FollowedSession {
    const { id } = session;
    const follower = new ActivityFollower(
      session,
      this.#times,
      { reads: this.#readBudget, screens: this.#screenBudget },
      {
        isFromBefore,
        changed: () => this.#settle(id),
        see: (seen) => this.#parts.see(seen),
        failed: (error) => {
          this.#parts.log.warn({ err: error, session: id }, 'the activity of a session cannot be read');
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
      publishedAt: Number.NEGATIVE_INFINITY,
      newest: { state: 'clear', at: 0 },
      timer: new Timer(),
    };
  }

  #begin(followed: FollowedSession): void {
    followed.hasBegun = true;
    void this.#beginning.run(async () => {
      followed.hasBegun = await followed.follower.begin();
    });
  }

  #drop(id: string): void {
    const followed = this.#followed.get(id);
    if (followed === undefined) return;
    this.#followed.delete(id);
    followed.timer.clear();
    followed.follower.stop();
    followed.follower.session.setActivity(null);
  }

  /** Reports the session's activity if it has changed: a wait at once, other changes throttled. */
  #settle(id: string): void {
    const followed = this.#followed.get(id);
    if (followed === undefined) return;
    const { session } = followed.follower;
    const now = this.#activityOf(followed);
    const published = session.activity;
    if (
      published !== null &&
      published.state === now.state &&
      published.text === now.text &&
      published.since === now.since
    ) {
      followed.timer.clear();
      return;
    }
    const isUrgent = isWaiting(now) && (published === null || !isWaiting(published));
    const rest = followed.publishedAt + this.#times.publishMs - performance.now();
    if (!isUrgent && rest > 0) {
      followed.timer.setOnce(rest, () => this.#settle(id));
      return;
    }
    followed.timer.clear();
    followed.publishedAt = performance.now();
    if (isUrgent) this.#keep(session, now);
    session.setActivity(now, followed.follower.isAsFound);
  }

  #keep({ id, info }: Session, { since, text }: SessionActivity): void {
    try {
      this.#parts.waits.put(id, { since, offset: info.outputOffset, text: text ?? '' });
    } catch (error) {
      this.#parts.log.warn({ err: error, session: id }, 'the wait of a session could not be stored for its timeline');
    }
  }

  #activityOf({ follower: { session, now }, runSince }: FollowedSession): SessionActivity {
    const { conversation, spec } = session.record;
    const turn = conversation === null ? undefined : this.#parts.turnOf(conversation);
    const [approval] = turn?.approvals ?? [];
    if (approval !== undefined) {
      return { state: 'waiting_approval', since: approval.askedAt, text: safeLine(approval.title) || null };
    }
    if (now.state === 'asking') return { ...now, state: 'waiting_approval' };
    if (now.state === 'waiting') return { ...now, state: 'waiting_input' };
    const runningSince = turn?.runningSince ?? null;
    if (runningSince !== null && now.state === 'idle') {
      return { state: 'working', since: Math.max(runningSince, now.since), text: null };
    }
    // A shell that takes runs works while a run is current, even without output.
    if (spec.takesRuns && now.state === 'idle' && (session.info.runs?.current ?? null) !== null) {
      return { state: 'working', since: runSince ?? now.since, text: null };
    }
    return { ...now, state: now.state };
  }
}

const isWaiting = ({ state }: SessionActivity): boolean => state === 'waiting_approval' || state === 'waiting_input';
