// A turn in which nothing is said: what it waits for, and what ends a silence.

/** An agent asks its model again, because that failed. */
export interface Retry {
  /** From 1. */
  readonly attempt: number;
  /** Maximum of attempts, where the agent tells. */
  readonly of?: number;
  /** Reason in the agent's words: `overloaded`, `rate limited`. */
  readonly why?: string;
  /** Milliseconds until it asks. */
  readonly delayMs?: number;
}

/**
 * `start`: the agent has not taken the message yet, its process or its session is being made. `model`: the agent has it;
 * `retry`: what it told last of its model. `tool`: a call that runs, by its title. `plugin`: a plugin that is asked, or has
 * the message.
 */
export type WaitsFor =
  | { readonly kind: 'start' }
  | { readonly kind: 'model'; readonly retry?: Retry }
  | { readonly kind: 'tool'; readonly title: string }
  | { readonly kind: 'plugin'; readonly plugin?: string };

/** Contents of a `silent` event. */
export interface SilenceInfo {
  /** Time of the event, ms since 1970; the silence began `silentMs` before. */
  readonly at: number;
  readonly silentMs: number;
  readonly waitsFor: WaitsFor;
  /** No tool runs, and whom it concerns is notified. */
  readonly isLong?: true;
}

const COUNTS: ReadonlySet<string> = new Set(['usage', 'status', 'retry']);

/** Whether the agent has said or done something by this event of a run: numbers and failures of its model are neither. */
export function endsSilence(event: { readonly type: string; readonly name?: unknown }): boolean {
  switch (event.type) {
    case 'delta':
    case 'tool':
    case 'approval':
    case 'approval_answered':
    case 'message_delivered':
    case 'run_allowed':
    case 'final':
    case 'error':
    case 'aborted':
      return true;
    case 'agent':
      return !COUNTS.has(String(event.name));
    default:
      return false;
  }
}

const time = (ms: number): string => {
  const seconds = Math.round(ms / 1000);
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
};

/**
 * Describes a retry that an agent told of its model. The data is not from the agent itself, so any value may come.
 * @example retryWords({ attempt: 3, of: 10, why: 'overloaded', delayMs: 2000 }) // 'asks again: 3 of 10, overloaded, in 2 s'
 */
export function retryWords({ attempt, of, why, delayMs }: Retry): string {
  const count = of === undefined ? `attempt ${attempt}` : `${attempt} of ${of}`;
  const when = delayMs === undefined ? [] : [`in ${time(delayMs)}`];
  return [`asks again: ${count}`, ...(why === undefined ? [] : [why]), ...when].join(', ');
}

/** The same of the data of an `agent` event named `retry`; undefined where that is something else. */
export function retryOf(data: unknown): Retry | undefined {
  if (typeof data !== 'object' || data === null) return undefined;
  const { attempt, of, why, delayMs } = data as Readonly<Record<string, unknown>>;
  if (typeof attempt !== 'number') return undefined;
  return {
    attempt,
    ...(typeof of === 'number' ? { of } : {}),
    ...(typeof why === 'string' ? { why } : {}),
    ...(typeof delayMs === 'number' ? { delayMs } : {}),
  };
}

/** Describes what a turn waits for. Text that programs wrote is included as it is. */
export function waitWords(waitsFor: WaitsFor): string {
  switch (waitsFor.kind) {
    case 'start':
      return 'waits for the agent to start';
    case 'model':
      return waitsFor.retry === undefined
        ? 'waits for the model'
        : `waits for the model, ${retryWords(waitsFor.retry)}`;
    case 'tool':
      return `waits for the tool ${waitsFor.title}`;
    case 'plugin':
      return waitsFor.plugin === undefined ? 'waits for plugins' : `waits for the plugin ${waitsFor.plugin}`;
    default:
      return 'waits'; // of a later version
  }
}

/** @example silenceWords(info) // 'nothing said for 2 min; waits for the model' */
export const silenceWords = ({ silentMs, waitsFor }: Pick<SilenceInfo, 'silentMs' | 'waitsFor'>): string =>
  `${silentMs < 1000 ? '' : `nothing said for ${time(silentMs)}; `}${waitWords(waitsFor)}`;
