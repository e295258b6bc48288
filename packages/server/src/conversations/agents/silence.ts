// How long the agent of a turn has been silent, and when that is worth a word, a notification, and the end of the turn.
// Knows no run and no log. Time is monotonic: a clock that is set changes nothing.

/** Times of an agent's silence at which something is done. All in ms. */
export interface SilenceTimes {
  /** Silence after which the gateway says what the turn waits for. Default 15 s. */
  readonly sayMs: number;
  /** Silence after which the people concerned are told. Default 2 min. */
  readonly tellMs: number;
}

export const SILENCE_TIMES: SilenceTimes = { sayMs: 15_000, tellMs: 120_000 };

/** Maximum time between two looks at the clock, ms. A pause of the machine shows by a look that comes late. */
const LOOK_MS = 5000;
/** A look that comes later than this, ms, comes behind a pause. A process under load is late by less. */
const PAUSE_MS = 10_000;

/** `say`: viewers are told. `tell`: people who do not look are notified, too. `end`: nobody waits longer. */
export type SilenceStep = 'say' | 'tell' | 'end';

/**
 * How the turn is. `talks`: words are due from the agent. `works`: a tool runs, which may take as long as it takes.
 * `asks`: somebody else is due, a person as a rule.
 */
export type TurnDoing = 'talks' | 'works' | 'asks';

export interface SilenceParts {
  doing(): TurnDoing;
  /** Called once for each step of one silence, in their order. `silentMs`: how long it has lasted. */
  reached(step: SilenceStep, silentMs: number): void;
  /** Monotonic clock, in ms. Default: the clock of the process. */
  now?(): number;
}

export interface SilenceBegin extends SilenceTimes {
  /** Silence after which the turn ends. */
  readonly limitMs: number;
  /** How long an earlier gateway has seen of this silence, and how far it had come. Default: none. */
  readonly before?: { readonly silentMs: number; readonly step: SilenceStep | undefined };
}

const ORDER: readonly SilenceStep[] = ['say', 'tell', 'end'];

/**
 * Watches one turn after the other.
 * @example
 * silence.begin({ ...SILENCE_TIMES, limitMs: 1_800_000 });
 * silence.heard(); // the agent has said something
 * silence.stop();
 */
export class Silence {
  readonly #parts: SilenceParts;
  readonly #now: () => number;
  #times: SilenceBegin | undefined;
  /** Length of this silence. */
  #silentMs = 0;
  #lookedAt = 0;
  #dueInMs = 0;
  /** Last step that this silence has reached. */
  #step: SilenceStep | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: SilenceParts) {
    this.#parts = parts;
    this.#now = parts.now ?? (() => performance.now());
  }

  /** A turn begins, or is gone on with: then what the agent said meanwhile has the time of `sayMs` to be read. */
  begin(times: SilenceBegin): void {
    this.#times = times;
    const { silentMs = 0, step } = times.before ?? {};
    this.#silentMs = Math.min(silentMs, Math.max(0, times.limitMs - times.sayMs));
    this.#step = step;
    this.#look();
  }

  /** The agent has said or done something: the next silence begins. */
  heard(): void {
    if (this.#times === undefined) return;
    this.#silentMs = 0;
    this.#step = undefined;
    this.#lookedAt = this.#now();
  }

  /** No turn is under way. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#times = undefined;
  }

  /** Something more to wait for: a look is due when the next step may be. */
  #look(): void {
    const times = this.#times;
    if (times === undefined) return;
    const doing = this.#parts.doing();
    const left = this.#steps(times)
      .filter(([step]) => isDueWhile(step, doing))
      .map(([, atMs]) => atMs - this.#silentMs);
    this.#dueInMs = Math.max(1, Math.min(LOOK_MS, times.sayMs, ...left));
    this.#lookedAt = this.#now();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#lookAgain(), this.#dueInMs);
    this.#timer.unref();
  }

  #lookAgain(): void {
    const times = this.#times;
    if (times === undefined) return;
    const passedMs = this.#now() - this.#lookedAt;
    const doing = this.#parts.doing();
    // A pause of the machine lets nobody be heard; connections may have to be made again.
    if (doing === 'asks' || passedMs > this.#dueInMs + PAUSE_MS) this.#silentMs = 0;
    else this.#silentMs += passedMs;
    const [next] = this.#steps(times).filter(([step, atMs]) => this.#silentMs >= atMs && isDueWhile(step, doing));
    if (next !== undefined) {
      [this.#step] = next;
      this.#parts.reached(this.#step, this.#silentMs);
    }
    this.#look();
  }

  /** Lists the steps that this silence has not reached, with their times; of several due at once the last counts. */
  #steps({ sayMs, tellMs, limitMs }: SilenceBegin): readonly (readonly [SilenceStep, number])[] {
    const all = [
      ['say', sayMs],
      ['tell', tellMs],
      ['end', limitMs],
    ] as const;
    const reached = this.#step === undefined ? -1 : ORDER.indexOf(this.#step);
    return all.filter(([, atMs], at) => at > reached && (at === 2 || atMs < limitMs));
  }
}

/** While a tool runs, that may be said, and nothing is done about it. */
const isDueWhile = (step: SilenceStep, doing: TurnDoing): boolean =>
  doing === 'talks' || (doing === 'works' && step === 'say');
