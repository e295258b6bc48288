// The notifications of a `codex app-server` by name, and the action for each.

import { BinnacleError } from '@binnacle/protocol';
import type { z } from 'zod';
import type { RpcId } from '../json-rpc.ts';
import {
  Delta,
  ErrorTold,
  ItemTold,
  OfTurn,
  PlanTold,
  Resolved,
  SummaryPart,
  UsageTold,
  WarningTold,
} from './messages.ts';

const STATUSES: Readonly<Record<string, string>> = { inProgress: 'in_progress' };

export interface TokenCount {
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** The actions that notifications trigger. */
export interface CodexTold {
  begun(turn: string): void;
  completed(turn: z.output<typeof OfTurn>['turn']): void;
  said(item: string, delta: string): void;
  thought(item: string, delta: string, how: 'text' | 'summary'): void;
  thoughtPart(item: string): void;
  item(type: string, item: unknown, isOver: boolean): void;
  output(item: string, delta: string): void;
  plan(plan: object): void;
  note(text: string): void;
  usage(total: TokenCount, last: TokenCount): void;
  withdrawn(request: RpcId): void;
}

/** Makes a row that ignores an invalid notification: it is for display only, and the end of the turn arrives anyway. */
const row =
  <T extends z.ZodType>(schema: T, tell: (told: CodexTold, params: z.output<T>) => void) =>
  (told: CodexTold, params: unknown): void => {
    const read = schema.safeParse(params);
    if (read.success) tell(told, read.data);
  };

const item = (isOver: boolean) => row(ItemTold, (told, { item }) => told.item(item.type, item, isOver));

/** Actions by the name of the notification. Other notifications concern things that are not shown. */
export const TOLD: Readonly<Record<string, (told: CodexTold, params: unknown) => void>> = {
  'turn/started': row(OfTurn, (told, { turn }) => told.begun(turn.id)),
  // The only notification that must be valid.
  'turn/completed': (told, params) => told.completed(need(OfTurn, params, 'turn/completed').turn),
  'turn/plan/updated': row(PlanTold, (told, { explanation, plan }) =>
    told.plan({
      entries: plan.map(({ step, status }) => ({ content: step, status: STATUSES[status] ?? status })),
      ...(explanation === undefined ? {} : { explanation }),
    }),
  ),
  'item/started': item(false),
  'item/completed': item(true),
  'item/agentMessage/delta': row(Delta, (told, { itemId, delta }) => told.said(itemId, delta)),
  'item/reasoning/summaryTextDelta': row(Delta, (told, { itemId, delta }) => told.thought(itemId, delta, 'summary')),
  'item/reasoning/summaryPartAdded': row(SummaryPart, (told, { itemId, summaryIndex }) => {
    if (summaryIndex > 0) told.thoughtPart(itemId);
  }),
  'item/reasoning/textDelta': row(Delta, (told, { itemId, delta }) => told.thought(itemId, delta, 'text')),
  'item/commandExecution/outputDelta': row(Delta, (told, { itemId, delta }) => told.output(itemId, delta)),
  'thread/tokenUsage/updated': row(UsageTold, (told, { tokenUsage }) => told.usage(tokenUsage.total, tokenUsage.last)),
  'serverRequest/resolved': row(Resolved, (told, { requestId }) => told.withdrawn(requestId)),
  warning: row(WarningTold, (told, { message }) => told.note(message)),
  // The end of the turn repeats the last error.
  error: row(ErrorTold, (told, { error, willRetry }) => {
    if (willRetry === true) told.note(error.message);
  }),
};

/** Parses a required value. Throws `agent_protocol`. */
export function need<T extends z.ZodType>(schema: T, value: unknown, method: string): z.output<T> {
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  throw new BinnacleError('agent_protocol', { message: `Codex answered ${method} with something else.` });
}
