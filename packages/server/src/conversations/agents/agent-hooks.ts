// Hooks before an agent gets a message and before it may call a tool.

import { type Author, BinnacleError } from '@binnacle/protocol';

/** A message that is about to be given to an agent. */
export interface AgentRunRequest {
  readonly conversation: string;
  readonly run: string;
  readonly agent: string;
  readonly text: string;
  readonly by: string;
}

export interface ToolCallRequest {
  readonly tool: string;
  readonly input: unknown;
  /** Name of the agent. */
  readonly caller: string;
  readonly via: 'approval' | 'terminal';
}

/**
 * The hooks of plugins. A hook method returns undefined if no hook applies, so that nothing waits. Otherwise its
 * promise settles once all hooks have answered, and rejects with `vetoed` if one refuses. The methods never throw.
 */
export interface AgentGuard {
  /** Settles when hooks can be called; no turn begins before. Undefined from then on. */
  readonly ready: Promise<void> | undefined;
  beforeRun(request: AgentRunRequest): Promise<void> | undefined;
  beforeToolCall(request: ToolCallRequest): Promise<void> | undefined;
}

export const NO_GUARD: AgentGuard = { ready: undefined, beforeRun: () => undefined, beforeToolCall: () => undefined };

export interface HookRefusal {
  readonly error: BinnacleError;
  readonly by: Author;
  readonly why: string;
}

export function refusalOf(error: unknown): HookRefusal {
  const known = error instanceof BinnacleError ? error : new BinnacleError('vetoed', { cause: error });
  const { plugin, reason } = known.details ?? {};
  const name = typeof plugin === 'string' ? `plugin ${plugin}` : 'gateway';
  return { error: known, by: { user: null, name }, why: typeof reason === 'string' ? reason : known.message };
}
