// Silent turns: what a turn waits for while nothing comes, and what ends a silence.

/** An agent's report that it repeats a failed request to its model. */
export interface Retry {
  /** Number of the attempt, from 1. */
  readonly attempt: number;
  /** Maximum number of attempts, if the agent reports it. */
  readonly of?: number;
  /** The agent's reason: `overloaded`, `rate limited`. */
  readonly why?: string;
  /** Milliseconds until the next attempt. */
  readonly delayMs?: number;
}

/**
 * Subject of a wait. `start`: the agent's process or session. `model`: the agent has the message; `retry` is its
 * last report of its model. `tool`: a running call, by its title. `plugin`: a plugin that decides, or has the message.
 */
export type WaitsFor =
  | { readonly kind: 'start' }
  | { readonly kind: 'model'; readonly retry?: Retry }
  | { readonly kind: 'tool'; readonly title: string }
  | { readonly kind: 'plugin'; readonly plugin?: string };

/** Report that nothing comes. */
export interface SilenceInfo {
  /** Unix time of the report in milliseconds; the silence began `silentMs` before. */
  readonly at: number;
  /** Milliseconds of silence. */
  readonly silentMs: number;
  /** Subject of the wait. */
  readonly waitsFor: WaitsFor;
  /** No tool runs, and the user is notified. */
  readonly isLong?: true;
}

const COUNTS: ReadonlySet<string> = new Set(['usage', 'status', 'retry']);

/**
 * Returns whether an event of a run ends a silence: the agent has said or done something. Usage and failures of its
 * model do not count.
 */
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
 * Describes a retry. The data may come from anywhere, so any value is accepted.
 *
 * @example
 * ```ts
 * import { describeRetry } from '@binnacle/protocol';
 *
 * console.log(describeRetry({ attempt: 3, of: 10, why: 'overloaded', delayMs: 2000 }));
 * // 'asks again: 3 of 10, overloaded, in 2 s'
 * ```
 */
export function describeRetry({ attempt, of, why, delayMs }: Retry): string {
  const count = of === undefined ? `attempt ${attempt}` : `${attempt} of ${of}`;
  const when = delayMs === undefined ? [] : [`in ${time(delayMs)}`];
  return [`asks again: ${count}`, ...(why === undefined ? [] : [why]), ...when].join(', ');
}

/** Returns the retry in the data of an `agent` event named `retry`; undefined for other data. */
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
export function describeWait(waitsFor: WaitsFor): string {
  switch (waitsFor.kind) {
    case 'start':
      return 'waits for the agent to start';
    case 'model':
      return waitsFor.retry === undefined
        ? 'waits for the model'
        : `waits for the model, ${describeRetry(waitsFor.retry)}`;
    case 'tool':
      return `waits for the tool ${waitsFor.title}`;
    case 'plugin':
      return waitsFor.plugin === undefined ? 'waits for plugins' : `waits for the plugin ${waitsFor.plugin}`;
    default:
      return 'waits'; // of a later version
  }
}

/**
 * Describes a silence.
 *
 * @example
 * ```ts
 * import { describeSilence } from '@binnacle/protocol';
 *
 * console.log(describeSilence({ silentMs: 120_000, waitsFor: { kind: 'model' } }));
 * // 'nothing said for 2 min; waits for the model'
 * ```
 */
export const describeSilence = ({ silentMs, waitsFor }: Pick<SilenceInfo, 'silentMs' | 'waitsFor'>): string =>
  `${silentMs < 1000 ? '' : `nothing said for ${time(silentMs)}; `}${describeWait(waitsFor)}`;
