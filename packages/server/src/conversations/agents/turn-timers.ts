// The timers of a turn: its time limit, the next request that times out, and its silence. What is due is an input of the
// turns.

import {
  type Approval,
  type ConversationEvent,
  type ConversationRun,
  defined,
  endsSilence,
  type Retry,
  retryOf,
  type WaitsFor,
} from '@binnacle/protocol';
import { Timer } from '../../base/timer.ts';
import type { TrustedTime } from '../../base/trusted-time.ts';
import { Silence, type SilenceStep, type SilenceTimes, type TurnDoing } from './silence.ts';

/** Maximum running calls to track per turn, of which one is named: an agent may fail to report their ends. */
const MAX_TOOLS = 64;

export interface TurnWatchTimes extends SilenceTimes {
  readonly limitMs: number;
}

/** Step of a silence of a run. */
export interface SilentInput {
  readonly kind: 'silent';
  readonly run: string;
  readonly step: SilenceStep;
  readonly silentMs: number;
  readonly waitsFor: WaitsFor;
}

/** Due event: the end of the time limit of a run, requests without an answer, or a step of a silence. */
export type DueInput =
  | { readonly kind: 'timed_out'; readonly run: string }
  | { readonly kind: 'approvals_due' }
  | SilentInput;

export interface TurnTimersParts {
  readonly time: Pick<TrustedTime, 'now'>;
  /** Returns the run under way and its open requests, as the log has them. */
  turn(): { readonly run: ConversationRun | null; readonly approvals: readonly Approval[] };
  /** Returns true until the agent has accepted the message. */
  isStarting(): boolean;
  due(input: DueInput): void;
}

export class TurnTimers {
  readonly #parts: TurnTimersParts;
  readonly #deadline = new Timer();
  readonly #alarm = new Timer();
  readonly #silence: Silence;
  /** Time of the last output, ms since 1970, from the log. */
  #heardAt = 0;
  #retry: Retry | undefined;
  /** Titles of the running calls, by id. */
  readonly #tools = new Map<string, string>();

  constructor(parts: TurnTimersParts) {
    this.#parts = parts;
    this.#silence = new Silence({
      doing: () => this.#doing(),
      reached: (step, silentMs) => {
        const { run } = parts.turn();
        if (run !== null) parts.due({ kind: 'silent', run: run.id, step, silentMs, waitsFor: this.#waitsFor(run) });
      },
    });
  }

  /** Takes a run that begins, or that an earlier gateway left: its events arrive by `fold` before `begin`. */
  take({ startedAt }: Pick<ConversationRun, 'startedAt'>): void {
    this.stop();
    this.#heardAt = startedAt ?? Date.now();
  }

  /**
   * Starts the time limit and the watch over the silence. Across a restart the silence is measured by the trusted time
   * of day, because it can end a turn.
   */
  begin(leftMs: number | undefined, times: TurnWatchTimes | undefined): void {
    const { run } = this.#parts.turn();
    if (run === null) return;
    if (leftMs !== undefined) {
      this.#deadline.set(leftMs, () => this.#parts.due({ kind: 'timed_out', run: run.id }));
    }
    if (times === undefined) return;
    const step = run.silence === undefined ? undefined : run.silence.isLong === true ? 'tell' : 'say';
    const silentMs = Math.max(0, this.#parts.time.now() - this.#heardAt);
    this.#silence.begin({ ...times, before: { silentMs, step } });
  }

  /** Sets the alarm for the next request that times out. */
  alarm(inMs: number | undefined): void {
    if (inMs === undefined) this.#alarm.clear();
    else this.#alarm.set(inMs, () => this.#parts.due({ kind: 'approvals_due' }));
  }

  /** Applies an event of the run under way that is in the log. */
  fold(event: ConversationEvent): void {
    if (event.type === 'agent' && event.name === 'retry') this.#retry = retryOf(event.data) ?? this.#retry;
    if (!endsSilence(event)) return;
    if ('at' in event) this.#heardAt = event.at;
    this.#retry = undefined;
    this.#silence.heard();
    if (event.type !== 'tool') return;
    const { id, title, status } = event.tool;
    this.#tools.delete(id);
    if (status === 'done' || status === 'failed') return;
    this.#tools.set(id, title);
    const [oldest = id] = this.#tools.keys();
    if (this.#tools.size > MAX_TOOLS) this.#tools.delete(oldest);
  }

  /** Stops all timers at the end of a turn. */
  stop(): void {
    this.#deadline.clear();
    this.#alarm.clear();
    this.#silence.stop();
    this.#retry = undefined;
    this.#tools.clear();
  }

  #doing(): TurnDoing {
    const { run, approvals } = this.#parts.turn();
    if (approvals.length > 0) return 'asks';
    // Plugins have limits of their own.
    const isPlugins = run?.isAsked === true || run?.command !== undefined;
    return this.#tools.size > 0 || isPlugins ? 'works' : 'talks';
  }

  #waitsFor({ command, isAsked }: ConversationRun): WaitsFor {
    const title = [...this.#tools.values()].at(-1);
    if (command !== undefined) return { kind: 'plugin', plugin: command.plugin };
    if (isAsked === true) return { kind: 'plugin' };
    if (title !== undefined) return { kind: 'tool', title };
    if (this.#parts.isStarting()) return { kind: 'start' };
    return { kind: 'model', ...defined({ retry: this.#retry }) };
  }
}
