// The watch over the silence of a turn: records what the turn waits for, and ends a turn that is silent for too long.
// Appends only through its callbacks.

import {
  BinnacleError,
  type ConversationEvent,
  defined,
  describeWait,
  endsSilence,
  type Retry,
  retryOf,
  type SilenceInfo,
  type WaitsFor,
} from '@binnacle/protocol';
import { LruMap } from '../../base/lru-map.ts';
import type { TrustedTime } from '../../base/trusted-time.ts';
import type { RunRecord } from '../../store/conversations.ts';
import { Silence, type SilenceStep, type SilenceTimes, type TurnDoing } from './silence.ts';

/** Maximum running calls to track per turn, of which one is named: an agent may fail to report their ends. */
const MAX_TOOLS = 64;

export interface TurnWatchParts {
  readonly time: Pick<TrustedTime, 'now'>;
  /** Returns true until the agent has accepted the message. */
  isStarting(): boolean;
  /** Stores the event. May throw `disk_full`. */
  append(event: ConversationEvent): void;
  /** Ends the turn with an error. */
  end(error: BinnacleError): void;
}

export interface TurnWatchTimes extends SilenceTimes {
  readonly limitMs: number;
}

export class TurnWatch {
  readonly #parts: TurnWatchParts;
  readonly #silence: Silence;
  #run: RunRecord | undefined;
  #awaitsHooks = false;
  /** Time of the last output, ms since 1970, from the log. */
  #heardAt = 0;
  #lastReport: SilenceInfo | undefined;
  #retry: Retry | undefined;
  /** Titles of the running calls, by id. */
  readonly #tools = new LruMap<string, string>(MAX_TOOLS);
  readonly #approvals = new Set<string>();

  constructor(parts: TurnWatchParts) {
    this.#parts = parts;
    this.#silence = new Silence({
      doing: () => this.#doing(),
      reached: (step, silentMs) => this.#reached(step, silentMs),
    });
  }

  /** Last report of this silence; undefined before a report. */
  get lastReport(): SilenceInfo | undefined {
    return this.#lastReport;
  }

  /** Takes a turn that begins, or that an earlier gateway left: its events arrive by `fold` before `begin`. */
  take(run: RunRecord): void {
    this.stop();
    this.#run = run;
    this.#awaitsHooks = run.isAsked === true;
    this.#heardAt = run.startedAt ?? Date.now();
  }

  /**
   * Starts the timer. Across a restart the silence is measured by the trusted time of day, because it can end a turn.
   */
  begin(times: TurnWatchTimes): void {
    if (this.#run === undefined) return;
    const step = this.#lastReport === undefined ? undefined : this.#lastReport.isLong === true ? 'tell' : 'say';
    const silentMs = Math.max(0, this.#parts.time.now() - this.#heardAt);
    this.#silence.begin({ ...times, before: { silentMs, step } });
  }

  /** Applies an event that is in the log. */
  fold(event: ConversationEvent): void {
    if (event.type === 'silent') {
      const { at, silentMs, waitsFor, isLong } = event;
      this.#lastReport = { at, silentMs, waitsFor, ...defined({ isLong }) };
    } else if (event.type === 'agent' && event.name === 'retry') {
      this.#retry = retryOf(event.data) ?? this.#retry;
      if (this.#retry !== undefined && this.#lastReport?.isLong !== true) {
        this.#lastReport = { at: event.at, silentMs: 0, waitsFor: { kind: 'model', retry: this.#retry } };
      }
    }
    if (!endsSilence(event)) return;
    this.#heardAt = event.at;
    this.#lastReport = undefined;
    this.#retry = undefined;
    this.#silence.heard();
    if (event.type === 'approval') this.#approvals.add(event.approval.id);
    else if (event.type === 'approval_answered') this.#approvals.delete(event.id);
    else if (event.type === 'run_allowed') this.#awaitsHooks = false;
    else if (event.type === 'tool') {
      const { id, title, status } = event.tool;
      if (status === 'done' || status === 'failed') this.#tools.delete(id);
      else this.#tools.set(id, title);
    }
  }

  stop(): void {
    this.#silence.stop();
    this.#run = undefined;
    this.#lastReport = undefined;
    this.#retry = undefined;
    this.#tools.clear();
    this.#approvals.clear();
  }

  #doing(): TurnDoing {
    if (this.#approvals.size > 0) return 'asks';
    // Plugins have limits of their own.
    const isPlugins = this.#awaitsHooks || this.#run?.command !== undefined;
    return this.#tools.size > 0 || isPlugins ? 'works' : 'talks';
  }

  #waitsFor(): WaitsFor {
    const title = [...this.#tools.values()].at(-1);
    const plugin = this.#run?.command?.plugin;
    if (plugin !== undefined) return { kind: 'plugin', plugin };
    if (this.#awaitsHooks) return { kind: 'plugin' };
    if (title !== undefined) return { kind: 'tool', title };
    if (this.#parts.isStarting()) return { kind: 'start' };
    return { kind: 'model', ...defined({ retry: this.#retry }) };
  }

  #reached(step: SilenceStep, silentMs: number): void {
    const run = this.#run;
    if (run === undefined) return;
    const waitsFor = this.#waitsFor();
    if (step === 'end') {
      const message = `The agent said nothing for ${lengthOf(silentMs)}, and no tool ran: it ${describeWait(waitsFor)}.`;
      const hint = `Send the message again. If such a silence is expected, raise agents.entries.${run.agent}.silenceMs.`;
      this.#parts.end(
        new BinnacleError('agent_silent', { message, hint, details: { silentMs: Math.round(silentMs) } }),
      );
      return;
    }
    const long = step === 'tell' ? { isLong: true as const } : {};
    const report = { at: Date.now(), silentMs: Math.round(silentMs), waitsFor, ...long };
    try {
      this.#parts.append({ type: 'silent', run: run.id, ...report });
    } catch {
      // The disk is full; the next step is tried all the same.
    }
  }
}

const lengthOf = (ms: number): string => {
  const seconds = Math.round(ms / 1000);
  return seconds < 120 ? `${seconds} seconds` : `${Math.round(seconds / 60)} minutes`;
};
