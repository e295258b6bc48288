// The notifications of a `codex app-server` by name, and the action for each.

import { defined } from '@binnacle/protocol';
import type { z } from 'zod';
import { required, withSchema } from '../agent-json.ts';
import { cutError } from '../tool-text.ts';
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
import type { CodexRpc } from './state.ts';
import { appendText, reportItem, reportOutput, reportUsage, thought } from './turn-output.ts';

const STATUSES: Readonly<Record<string, string>> = { inProgress: 'in_progress' };

/** The course of a turn, which belongs to the link. */
export interface TurnEvents {
  begun(turn: string): void;
  completed(turn: z.output<typeof OfTurn>['turn']): void;
}

type NotificationHandler = (params: unknown, rpc: CodexRpc, turns: TurnEvents) => void;

const item = (isOver: boolean) =>
  withSchema(ItemNotification, ({ item }, rpc: CodexRpc) => reportItem(rpc, item.type, item, isOver));

/**
 * Actions by the name of the notification. Other notifications concern things that are not shown. An invalid one is
 * ignored: it is for display only, and the end of the turn arrives anyway.
 */
export const NOTIFICATIONS: Readonly<Record<string, NotificationHandler>> = {
  'turn/started': withSchema(OfTurn, ({ turn }, _rpc, turns: TurnEvents) => turns.begun(turn.id)),
  // The only notification that must be valid.
  'turn/completed': (params, _rpc, turns) =>
    turns.completed(required(OfTurn, params, unknownAnswer('turn/completed')).turn),
  'turn/plan/updated': withSchema(PlanNotification, ({ explanation, plan }, { out }: CodexRpc) =>
    out.agent('plan', {
      entries: plan.map(({ step, status }) => ({ content: step, status: STATUSES[status] ?? status })),
      ...defined({ explanation }),
    }),
  ),
  'item/started': item(false),
  'item/completed': item(true),
  'item/agentMessage/delta': withSchema(Delta, ({ itemId, delta }, rpc: CodexRpc) => appendText(rpc, itemId, delta)),
  'item/reasoning/summaryTextDelta': withSchema(Delta, ({ itemId, delta }, rpc: CodexRpc) =>
    thought(rpc, itemId, delta, 'summary'),
  ),
  'item/reasoning/summaryPartAdded': withSchema(SummaryPart, ({ itemId, summaryIndex }, { state, out }: CodexRpc) => {
    if (summaryIndex > 0 && state.turn?.thinking?.item === itemId) out.delta('\n\n', 'thought');
  }),
  'item/reasoning/textDelta': withSchema(Delta, ({ itemId, delta }, rpc: CodexRpc) =>
    thought(rpc, itemId, delta, 'text'),
  ),
  'item/commandExecution/outputDelta': withSchema(Delta, ({ itemId, delta }, rpc: CodexRpc) =>
    reportOutput(rpc, itemId, delta),
  ),
  'thread/tokenUsage/updated': withSchema(UsageNotification, ({ tokenUsage: { total, last } }, rpc: CodexRpc) =>
    reportUsage(rpc, total, last),
  ),
  'serverRequest/resolved': withSchema(Resolved, ({ requestId }, rpc: CodexRpc) => void rpc.withdraw(requestId)),
  warning: withSchema(WarningNotification, ({ message }, rpc: CodexRpc) => rpc.note(cutError(message))),
  // The end of the turn repeats the last error.
  error: withSchema(ErrorNotification, ({ error, willRetry }, rpc: CodexRpc) => {
    if (willRetry === true) rpc.note(cutError(error.message));
  }),
};

export const unknownAnswer = (method: string): string => `Codex answered ${method} with something else.`;
