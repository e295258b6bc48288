// Who else is asked before an agent is given a message, and before it may call a tool. Knows no plugin and no agent.

import { type Author, BinnacleError } from '@binnacle/protocol';

/** A message on its way to an agent. */
export interface RunAsked {
  readonly conversation: string;
  readonly run: string;
  readonly agent: string;
  readonly text: string;
  readonly by: string;
}

export interface CallAsked {
  readonly tool: string;
  readonly input: unknown;
  /** The agent. */
  readonly caller: string;
  readonly via: 'approval' | 'terminal';
}

/**
 * Undefined: nobody wants to be asked, and nothing waits. Else it settles once all of them have answered, and rejects with
 * `vetoed` where one does not want it. Never throws.
 */
export interface Guard {
  /** Until then no turn begins: nobody can be asked yet. Undefined: that is over. */
  readonly ready: Promise<void> | undefined;
  beforeRun(asked: RunAsked): Promise<void> | undefined;
  beforeToolCall(asked: CallAsked): Promise<void> | undefined;
}

export const NO_GUARD: Guard = { ready: undefined, beforeRun: () => undefined, beforeToolCall: () => undefined };

export interface Refusal {
  readonly error: BinnacleError;
  readonly by: Author;
  readonly why: string;
}

export function refusalOf(error: unknown): Refusal {
  const known = error instanceof BinnacleError ? error : new BinnacleError('vetoed', { cause: error });
  const { plugin, reason } = known.details ?? {};
  const name = typeof plugin === 'string' ? `plugin ${plugin}` : 'gateway';
  return { error: known, by: { user: null, name }, why: typeof reason === 'string' ? reason : known.message };
}
