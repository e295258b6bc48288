// What a `codex app-server` tells by itself: its notifications by name, and what each of them leads to.

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

/** What a notification may lead to. */
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

/** What cannot be read is passed over: it is told for people, and the end of the turn comes all the same. */
const row =
  <T extends z.ZodType>(schema: T, tell: (told: CodexTold, params: z.output<T>) => void) =>
  (told: CodexTold, params: unknown): void => {
    const read = schema.safeParse(params);
    if (read.success) tell(told, read.data);
  };

const item = (isOver: boolean) => row(ItemTold, (told, { item }) => told.item(item.type, item, isOver));

/** By the name of the notification. The others are about what we do not show. */
export const TOLD: Readonly<Record<string, (told: CodexTold, params: unknown) => void>> = {
  'turn/started': row(OfTurn, (told, { turn }) => told.begun(turn.id)),
  // The one that must be understood.
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
  // The last one comes again with the end of the turn.
  error: row(ErrorTold, (told, { error, willRetry }) => {
    if (willRetry === true) told.note(error.message);
  }),
};

/** What must be understood. Throws `agent_protocol`. */
export function need<T extends z.ZodType>(schema: T, value: unknown, method: string): z.output<T> {
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  throw new BinnacleError('agent_protocol', { message: `Codex answered ${method} with something else.` });
}
