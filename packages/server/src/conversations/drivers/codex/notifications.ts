// The notifications of a `codex app-server` by name, and the action for each.

import { BinnacleError } from '@binnacle/protocol';
import type { z } from 'zod';
import type { RpcId } from '../json-rpc.ts';
import {
  Delta,
  ErrorNotification,
  ItemNotification,
  OfTurn,
  PlanNotification,
  Resolved,
  SummaryPart,
  UsageNotification,
  WarningNotification,
} from './messages.ts';

const STATUSES: Readonly<Record<string, string>> = { inProgress: 'in_progress' };

export interface TokenCount {
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** The actions that notifications trigger. */
export interface NotificationActions {
  begun(turn: string): void;
  completed(turn: z.output<typeof OfTurn>['turn']): void;
  appendText(item: string, delta: string): void;
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
  <T extends z.ZodType>(schema: T, act: (actions: NotificationActions, params: z.output<T>) => void) =>
  (actions: NotificationActions, params: unknown): void => {
    const read = schema.safeParse(params);
    if (read.success) act(actions, read.data);
  };

const item = (isOver: boolean) => row(ItemNotification, (actions, { item }) => actions.item(item.type, item, isOver));

/** Actions by the name of the notification. Other notifications concern things that are not shown. */
export const NOTIFICATIONS: Readonly<Record<string, (actions: NotificationActions, params: unknown) => void>> = {
  'turn/started': row(OfTurn, (actions, { turn }) => actions.begun(turn.id)),
  // The only notification that must be valid.
  'turn/completed': (actions, params) => actions.completed(need(OfTurn, params, 'turn/completed').turn),
  'turn/plan/updated': row(PlanNotification, (actions, { explanation, plan }) =>
    actions.plan({
      entries: plan.map(({ step, status }) => ({ content: step, status: STATUSES[status] ?? status })),
      ...(explanation === undefined ? {} : { explanation }),
    }),
  ),
  'item/started': item(false),
  'item/completed': item(true),
  'item/agentMessage/delta': row(Delta, (actions, { itemId, delta }) => actions.appendText(itemId, delta)),
  'item/reasoning/summaryTextDelta': row(Delta, (actions, { itemId, delta }) =>
    actions.thought(itemId, delta, 'summary'),
  ),
  'item/reasoning/summaryPartAdded': row(SummaryPart, (actions, { itemId, summaryIndex }) => {
    if (summaryIndex > 0) actions.thoughtPart(itemId);
  }),
  'item/reasoning/textDelta': row(Delta, (actions, { itemId, delta }) => actions.thought(itemId, delta, 'text')),
  'item/commandExecution/outputDelta': row(Delta, (actions, { itemId, delta }) => actions.output(itemId, delta)),
  'thread/tokenUsage/updated': row(UsageNotification, (actions, { tokenUsage }) =>
    actions.usage(tokenUsage.total, tokenUsage.last),
  ),
  'serverRequest/resolved': row(Resolved, (actions, { requestId }) => actions.withdrawn(requestId)),
  warning: row(WarningNotification, (actions, { message }) => actions.note(message)),
  // The end of the turn repeats the last error.
  error: row(ErrorNotification, (actions, { error, willRetry }) => {
    if (willRetry === true) actions.note(error.message);
  }),
};

/** Parses a required value. Throws `agent_protocol`. */
export function need<T extends z.ZodType>(schema: T, value: unknown, method: string): z.output<T> {
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  throw new BinnacleError('agent_protocol', { message: `Codex answered ${method} with something else.` });
}
