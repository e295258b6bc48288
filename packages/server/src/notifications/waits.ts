// Waits for a person, and the decision which of them to notify of: once per wait, after a short delay.

import { Timer } from '../base/timer.ts';

/**
 * `silent`: an agent's turn has had no output for a long time. `done`, `failed`, `stopped`: the turn has ended with
 * this result, and it is its user's turn.
 */
export type WaitState = 'waiting_approval' | 'waiting_input' | 'silent' | 'done' | 'failed' | 'stopped';

const TURN_ENDS: ReadonlySet<WaitState> = new Set(['done', 'failed', 'stopped']);

/** True for the end of a turn, of which users can turn notifications off. */
export const isTurnEnd = ({ state }: Pick<UserWait, 'state'>): boolean => TURN_ENDS.has(state);

/** A session or a conversation that waits. */
export interface UserWait {
  readonly kind: 'session' | 'conversation';
  readonly id: string;
  /** Key in the address of its page: the id of a session, the key of a conversation. */
  readonly key: string;
  readonly state: WaitState;
  /** The only user concerned; null: all who may see it. A wait of one user expires after an hour. */
  readonly for: string | null;
  /** Identity of the wait: changes with the next wait of the same session or conversation. */
  readonly mark: string;
  /** Time in ms since 1970, for display only: clocks can be set, so no decision depends on it. */
  readonly since: number;
  /** True for a wait from before this gateway, of which an earlier gateway has notified. Default false. */
  readonly isOld?: boolean;
  /** Marks of other waits of the same session or conversation at the same time: covered by the same notification. */
  readonly others?: readonly string[];
  readonly title: string;
  /** The question or request of the program; null if unknown. */
  readonly text: string | null;
}

export interface WaitTimes {
  /** Debounce: minimum duration of a wait, because a user who is looking answers shorter ones. Default 2 s. */
  readonly settleMs: number;
  /**
   * Throttle: minimum delay between notifications of one session or conversation. Default 20 s: a phone must not ring
   * all the time.
   */
  readonly restMs: number;
  /**
   * Minimum duration of a turn, from its message to its end: after a shorter one its sender is still looking. Default
   * 10 s.
   */
  readonly longTurnMs: number;
  /** Time after its notification when a wait of one user expires. Default 1 hour. */
  readonly newsMs: number;
}

export const WAIT_TIMES: WaitTimes = { settleMs: 2000, restMs: 20_000, longTurnMs: 10_000, newsMs: 3600_000 };

/** Returns the slot of a wait: one for all users, and one for each user whose turn has ended. */
export const slotOf = ({ id, for: user }: Pick<UserWait, 'id' | 'for'>): string =>
  user === null ? id : `${id} ${user}`;

interface SlotState {
  wait: UserWait | undefined;
  /** Monotonic time of the last notification. */
  notifiedAt: number;
  /** Marks of all waits covered by the last notification. */
  notifiedMarks: ReadonlySet<string>;
  /** True while the timer runs to the next notification: later calls of `set` do not postpone it. */
  isDue: boolean;
  readonly timer: Timer;
}

const emptySlot = (): SlotState => ({
  ...{ wait: undefined, isDue: false, timer: new Timer() },
  notifiedAt: Number.NEGATIVE_INFINITY,
  notifiedMarks: new Set(),
});

export class Waits {
  readonly #times: WaitTimes;
  readonly #notify: (wait: UserWait) => void;
  readonly #now: () => number;
  /** Waits by slot, and ended waits within the rest time. */
  readonly #slots = new Map<string, SlotState>();

  /** `now`: monotonic, ms. */
  constructor(notify: (wait: UserWait) => void, times: Partial<WaitTimes> = {}, now = () => performance.now()) {
    this.#notify = notify;
    this.#times = { ...WAIT_TIMES, ...times };
    this.#now = now;
  }

  /** Minimum duration of a turn for a notification. */
  get longTurnMs(): number {
    return this.#times.longTurnMs;
  }

  /** Sets the wait of one slot; undefined: it does not wait. */
  set(slot: string, wait: UserWait | undefined): void {
    const known = this.#slots.get(slot);
    if (wait === undefined) {
      if (known !== undefined) this.#end(slot, known);
      return;
    }
    const slotState = known ?? emptySlot();
    const isSame = slotState.wait?.mark === wait.mark;
    slotState.wait = wait;
    this.#slots.set(slot, slotState);
    // No news: the same wait, a wait already due, or one that an earlier notification covered.
    if (isSame || slotState.isDue || wait.isOld === true || slotState.notifiedMarks.has(wait.mark)) return;
    slotState.isDue = true;
    const restMs = slotState.notifiedAt + this.#times.restMs - this.#now();
    slotState.timer.set(Math.max(this.#times.settleMs, restMs), () => {
      slotState.isDue = false;
      slotState.notifiedAt = this.#now();
      const notified = slotState.wait;
      if (notified === undefined) return;
      slotState.notifiedMarks = new Set([notified.mark, ...(notified.others ?? [])]);
      this.#notify(notified);
      // Only another message ends this wait, and may never come.
      if (notified.for !== null) slotState.timer.set(this.#times.newsMs, () => this.#slots.delete(slot));
    });
  }

  /** Returns the current version of a wait, if it still is the same wait. */
  current(notified: UserWait): UserWait | undefined {
    const wait = this.#slots.get(slotOf(notified))?.wait;
    return wait?.mark === notified.mark ? wait : undefined;
  }

  /** Removes the waits of a deleted session or conversation, for all users. */
  forget(id: string): void {
    for (const [slot, { timer }] of this.#slots) {
      if (slot !== id && !slot.startsWith(`${id} `)) continue;
      timer.clear();
      this.#slots.delete(slot);
    }
  }

  stop(): void {
    for (const { timer } of this.#slots.values()) timer.clear();
    this.#slots.clear();
  }

  #end(slot: string, slotState: SlotState): void {
    slotState.wait = undefined;
    slotState.isDue = false;
    const restMs = slotState.notifiedAt + this.#times.restMs - this.#now();
    // Removed at once unless the rest time of the last notification still runs.
    if (restMs <= 0) {
      slotState.timer.clear();
      this.#slots.delete(slot);
    } else slotState.timer.set(restMs, () => slotState.wait === undefined && this.#slots.delete(slot));
  }
}
