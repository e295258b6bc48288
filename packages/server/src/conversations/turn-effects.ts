// The inputs of a conversation's turns that have to wait, and the effects of all inputs.

import { type Approval, type Author, type BinnacleError, type ConversationEvent, defined } from '@binnacle/protocol';
import type { AgentEffect } from './agents/agent-slot.ts';
import type { DueInput, TurnWatchTimes } from './agents/turn-timers.ts';
import type { Prompt } from './drivers/driver.ts';
import type { DriverMark } from './state/transcript.ts';

/** Inputs that wait: for hooks, for a timer, or for room on the disk. */
export type TurnInput =
  /** The next message, if the agent is free. */
  | { readonly kind: 'start' }
  /** The hooks have allowed the message of a started run. */
  | { readonly kind: 'allowed'; readonly prompt: Prompt }
  /** The run ends with an error, if it is still under way. */
  | { readonly kind: 'failed'; readonly run: string; readonly error: BinnacleError }
  /** The hooks have allowed a message for the run under way. If that has ended, the message starts a run of its own. */
  | { readonly kind: 'injected'; readonly prompt: Prompt; readonly run: string }
  /** The hooks have refused a message for the run under way. */
  | { readonly kind: 'not_injected'; readonly message: string; readonly error: unknown }
  /** The hooks have refused a tool call for which the agent requests approval. A person who answers first wins. */
  | { readonly kind: 'vetoed'; readonly approval: string; readonly error: unknown }
  | DueInput;

export type TurnEffect =
  /** Appends to the log. May throw `disk_full`; nothing has changed then. */
  | { readonly kind: 'append'; readonly events: readonly ConversationEvent[]; readonly mark?: DriverMark }
  /** Repeats an input when there may be room on the disk. One per name. */
  | { readonly kind: 'retry'; readonly name: string; readonly input: TurnInput }
  /** Waits for the hooks of a run; calls them first without a `verdict`. The input is `allowed` or `failed`. */
  | { readonly kind: 'hooks'; readonly prompt: Prompt; readonly by: Author; readonly verdict?: Promise<void> }
  /** Calls the hooks for a request for approval. The input is `vetoed`, or none. */
  | { readonly kind: 'tool_hooks'; readonly approval: Approval }
  /** Starts the time limit and the watch over the silence of the run. */
  | { readonly kind: 'times'; readonly leftMs: number | undefined; readonly silence: TurnWatchTimes | undefined }
  /** Sets the alarm for the next request that times out. */
  | { readonly kind: 'alarm' }
  /** The turn is over: its timers stop, and the next one starts in a later event-loop turn. */
  | { readonly kind: 'over' }
  /** Counts events that arrived after the end of their run. */
  | { readonly kind: 'late'; readonly count: number }
  | AgentEffect;

/**
 * Effects, in order. Each is determined when the one before is carried out. What an `append` throws is thrown into the
 * generator, which either lets it pass to the caller of the input, or asks for a retry.
 */
export type TurnEffects = Generator<TurnEffect, void, void>;

export const append = (events: readonly ConversationEvent[], mark?: DriverMark): TurnEffect => ({
  kind: 'append',
  events,
  ...defined({ mark }),
});

/** Names the input for its retry: a later one of the name replaces the earlier. */
export function retryNameOf(input: TurnInput): string {
  if (input.kind === 'vetoed') return `vetoed ${input.approval}`;
  return input.kind === 'not_injected' ? `not_injected ${input.message}` : input.kind;
}
