// What waits for a person, and which of it is news: once for each wait, when it has lasted a moment. Knows nobody to tell.

/**
 * `silent`: nothing has come in an agent's turn for long. `done`, `failed`, `stopped`: the turn has ended so, and it is its
 * person's turn now.
 */
export type WaitState = 'waiting_approval' | 'waiting_input' | 'silent' | 'done' | 'failed' | 'stopped';

const TURN_ENDS: ReadonlySet<WaitState> = new Set(['done', 'failed', 'stopped']);

/** True for the end of a turn: people who want no news of ended turns are not told. */
export const isTurnEnd = ({ state }: Pick<Wait, 'state'>): boolean => TURN_ENDS.has(state);

/** A session or a conversation that waits. */
export interface Wait {
  readonly kind: 'session' | 'conversation';
  readonly id: string;
  /** What its page is called by: the id of a session, the key of a conversation. */
  readonly key: string;
  readonly state: WaitState;
  /** The user whom alone it concerns; null: all who may see it. Those with one are news for an hour at most. */
  readonly for: string | null;
  /** The same for one wait, another for the next one of the same session or conversation. */
  readonly mark: string;
  /** Time in ms since 1970, for people; nothing is decided by it, because clocks are set. */
  readonly since: number;
  /** True for a wait from before this gateway: an earlier gateway has told it. Default false. */
  readonly isOld?: boolean;
  /** Marks of other waits of the same session or conversation at the same time: told together with this wait. */
  readonly others?: readonly string[];
  readonly title: string;
  /** What it waits for; null where nobody said. */
  readonly text: string | null;
}

export interface WaitTimes {
  /** Shorter waits are nobody's news: whoever looks answers them. Default 2 s. */
  readonly settleMs: number;
  /** From one hail of a session or conversation to its next one. Default 20 s: a phone must not ring all the time. */
  readonly restMs: number;
  /** A turn that took less, from its message to its end, is nobody's news: who sent that still looks. Default 10 s. */
  readonly longTurnMs: number;
  /** What concerns one user is no news any more so long after it was told. Default 1 hour. */
  readonly newsMs: number;
}

export const WAIT_TIMES: WaitTimes = { settleMs: 2000, restMs: 20_000, longTurnMs: 10_000, newsMs: 3600_000 };

/** Where a wait stands: one for all, and one for each user whose turn has ended. */
export const slotOf = ({ id, for: user }: Pick<Wait, 'id' | 'for'>): string => (user === null ? id : `${id} ${user}`);

interface Standing {
  wait: Wait | undefined;
  /** Monotonic. */
  toldAt: number;
  /** Marks of all that waited then. */
  told: ReadonlySet<string>;
  /** It is told when the timer ends: what else is asked meanwhile does not put that off. */
  isDue: boolean;
  timer: NodeJS.Timeout | undefined;
}

const nobodyTold = (): Standing => ({
  ...{ wait: undefined, isDue: false, timer: undefined },
  toldAt: Number.NEGATIVE_INFINITY,
  told: new Set(),
});

export class Waits {
  readonly #times: WaitTimes;
  readonly #tell: (wait: Wait) => void;
  readonly #now: () => number;
  /** By slot: those that wait, and those that have waited within the rest. */
  readonly #standing = new Map<string, Standing>();

  /** `now`: monotonic, ms. */
  constructor(tell: (wait: Wait) => void, times: Partial<WaitTimes> = {}, now = () => performance.now()) {
    this.#tell = tell;
    this.#times = { ...WAIT_TIMES, ...times };
    this.#now = now;
  }

  /** How long a turn is, to be told. */
  get longTurnMs(): number {
    return this.#times.longTurnMs;
  }

  /** How it stands with one slot; undefined: it does not wait. */
  set(slot: string, wait: Wait | undefined): void {
    const known = this.#standing.get(slot);
    if (wait === undefined) {
      if (known !== undefined) this.#end(slot, known);
      return;
    }
    const standing = known ?? nobodyTold();
    const isSame = standing.wait?.mark === wait.mark;
    standing.wait = wait;
    this.#standing.set(slot, standing);
    // One of several that waited already when it was told last is no news.
    if (isSame || standing.isDue || wait.isOld === true || standing.told.has(wait.mark)) return;
    standing.isDue = true;
    this.#after(standing, Math.max(this.#times.settleMs, standing.toldAt + this.#times.restMs - this.#now()), () => {
      standing.isDue = false;
      standing.toldAt = this.#now();
      const told = standing.wait;
      if (told === undefined) return;
      standing.told = new Set([told.mark, ...(told.others ?? [])]);
      this.#tell(told);
      // Nothing ends it but another message, which may never come.
      if (told.for !== null) this.#after(standing, this.#times.newsMs, () => this.#standing.delete(slot));
    });
  }

  /** As it is now, if it still is that wait. */
  current(told: Wait): Wait | undefined {
    const wait = this.#standing.get(slotOf(told))?.wait;
    return wait?.mark === told.mark ? wait : undefined;
  }

  /** Of a session or conversation that is gone, for everybody. */
  forget(id: string): void {
    for (const [slot, { timer }] of this.#standing) {
      if (slot !== id && !slot.startsWith(`${id} `)) continue;
      clearTimeout(timer);
      this.#standing.delete(slot);
    }
  }

  stop(): void {
    for (const { timer } of this.#standing.values()) clearTimeout(timer);
    this.#standing.clear();
  }

  #end(slot: string, standing: Standing): void {
    standing.wait = undefined;
    standing.isDue = false;
    const restMs = standing.toldAt + this.#times.restMs - this.#now();
    // What was never told leaves nothing behind.
    if (restMs <= 0) {
      clearTimeout(standing.timer);
      this.#standing.delete(slot);
    } else this.#after(standing, restMs, () => standing.wait === undefined && this.#standing.delete(slot));
  }

  #after(standing: Standing, ms: number, act: () => void): void {
    clearTimeout(standing.timer);
    standing.timer = setTimeout(act, ms);
    standing.timer.unref();
  }
}
