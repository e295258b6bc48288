// The silence of an agent during a turn: measures it, and reports when to inform viewers, to notify people and to end
// the turn. Uses monotonic time, so that setting the clock changes nothing.

import { Timer } from '../../base/timer.ts';

/** Thresholds of an agent's silence. All in ms. */
export interface SilenceTimes {
  /** Silence after which the gateway reports what the turn waits for. Default 15 s. */
  readonly sayMs: number;
  /** Silence after which the people concerned are notified. Default 2 min. */
  readonly notifyMs: number;
}

export const SILENCE_TIMES: SilenceTimes = { sayMs: 15_000, notifyMs: 120_000 };

/** Maximum time between two checks of the clock, ms. A late check reveals a pause of the machine. */
const CHECK_MS = 5000;
/** Minimum delay of a check, ms, that counts as a pause of the machine. A process under load is late by less. */
const PAUSE_MS = 10_000;

/** `say`: viewers see what the turn waits for. `tell`: absent people are notified. `end`: the turn ends. */
export type SilenceStep = 'say' | 'tell' | 'end';

/**
 * State of the turn. `talks`: output is due from the agent. `works`: a tool runs, for as long as it takes. `asks`: an
 * answer is due from elsewhere, usually from a person.
 */
export type TurnDoing = 'talks' | 'works' | 'asks';

export interface SilenceParts {
  doing(): TurnDoing;
  /** Called once for each step of a silence, in order. `silentMs`: length of the silence. */
  reached(step: SilenceStep, silentMs: number): void;
  /** Monotonic clock, in ms. Default: the clock of the process. */
  now?(): number;
}

export interface SilenceBegin extends SilenceTimes {
  /** Silence after which the turn ends. */
  readonly limitMs: number;
  /** Length and last step of this silence in an earlier gateway. Default: none. */
  readonly before?: { readonly silentMs: number; readonly step: SilenceStep | undefined };
}

const ORDER: readonly SilenceStep[] = ['say', 'tell', 'end'];

/**
 * Watches one turn after the other.
 * @example
 * silence.begin({ ...SILENCE_TIMES, limitMs: 1_800_000 });
 * silence.heard(); // the agent has sent output
 * silence.stop();
 */
export class Silence {
  readonly #parts: SilenceParts;
  readonly #now: () => number;
  #times: SilenceBegin | undefined;
  /** Length of this silence. */
  #silentMs = 0;
  #checkedAt = 0;
  #dueInMs = 0;
  /** Last step that this silence has reached. */
  #step: SilenceStep | undefined;
  readonly #timer = new Timer();

  constructor(parts: SilenceParts) {
    this.#parts = parts;
    this.#now = parts.now ?? (() => performance.now());
  }

  /** Begins or continues a turn. After a continuation, output from the meantime can be read during `sayMs` first. */
  begin(times: SilenceBegin): void {
    this.#times = times;
    const { silentMs = 0, step } = times.before ?? {};
    this.#silentMs = Math.min(silentMs, Math.max(0, times.limitMs - times.sayMs));
    this.#step = step;
    this.#arm();
  }

  /** Begins a new silence: the agent has sent or done something. */
  heard(): void {
    if (this.#times === undefined) return;
    this.#silentMs = 0;
    this.#step = undefined;
    this.#checkedAt = this.#now();
  }

  /** Ends the watch at the end of a turn. */
  stop(): void {
    this.#timer.clear();
    this.#times = undefined;
  }

  /** Sets the timer for the next check, when the next step may be due. */
  #arm(): void {
    const times = this.#times;
    if (times === undefined) return;
    const doing = this.#parts.doing();
    const left = this.#steps(times)
      .filter(([step]) => isDueWhile(step, doing))
      .map(([, atMs]) => atMs - this.#silentMs);
    this.#dueInMs = Math.max(1, Math.min(CHECK_MS, times.sayMs, ...left));
    this.#checkedAt = this.#now();
    this.#timer.set(this.#dueInMs, () => this.#check());
  }

  #check(): void {
    const times = this.#times;
    if (times === undefined) return;
    const passedMs = this.#now() - this.#checkedAt;
    const doing = this.#parts.doing();
    // A pause of the machine silences every agent; connections may have to be made again.
    if (doing === 'asks' || passedMs > this.#dueInMs + PAUSE_MS) this.#silentMs = 0;
    else this.#silentMs += passedMs;
    const [next] = this.#steps(times).filter(([step, atMs]) => this.#silentMs >= atMs && isDueWhile(step, doing));
    if (next !== undefined) {
      [this.#step] = next;
      this.#parts.reached(this.#step, this.#silentMs);
    }
    this.#arm();
  }

  /** Lists the steps that this silence has not reached, with their times; of several due at once the last counts. */
  #steps({ sayMs, notifyMs, limitMs }: SilenceBegin): readonly (readonly [SilenceStep, number])[] {
    const all = [
      ['say', sayMs],
      ['tell', notifyMs],
      ['end', limitMs],
    ] as const;
    const reached = this.#step === undefined ? -1 : ORDER.indexOf(this.#step);
    return all.filter(([, atMs], at) => at > reached && (at === 2 || atMs < limitMs));
  }
}

/** Returns whether a step applies. While a tool runs, the silence is shown, and nothing else happens. */
const isDueWhile = (step: SilenceStep, doing: TurnDoing): boolean =>
  doing === 'talks' || (doing === 'works' && step === 'say');
