// The rows of the list and their order. Pure.

import type { ConversationInfo, SessionInfo } from '@binnacle/protocol';
import { activityOf, byUrgency } from '../model/conversations.ts';
import type { Route } from '../model/route.ts';

export type Row =
  | { readonly kind: 'session'; readonly key: string; readonly info: SessionInfo }
  | { readonly kind: 'conversation'; readonly key: string; readonly info: ConversationInfo };

export type SectionName = 'waiting' | 'conversations' | 'sessions';

export interface Section {
  readonly name: SectionName;
  readonly rows: readonly Row[];
}

export const keyOf = (route: Route | undefined): string | undefined => {
  if (route?.kind === 'session') return `session:${route.id}`;
  return route?.kind === 'conversation' ? `conversation:${route.key}` : undefined;
};

export const routeOf = (row: Row): Route =>
  row.kind === 'session' ? { kind: 'session', id: row.info.id } : { kind: 'conversation', key: row.info.key };

const sessionRow = (info: SessionInfo): Row => ({ kind: 'session', key: `session:${info.id}`, info });
const conversationRow = (info: ConversationInfo): Row => ({
  kind: 'conversation',
  key: `conversation:${info.key}`,
  info,
});

export const isWaiting = ({ activity, state }: SessionInfo): boolean =>
  state === 'running' && (activity?.state === 'waiting_approval' || activity?.state === 'waiting_input');

/** Returns true if the conversation waits for an answer of a person. */
export const needsApproval = (info: ConversationInfo): boolean => activityOf(info) === 'approval';

/** Counts the sessions and conversations that wait for a person. */
export const countWaiting = (sessions: readonly SessionInfo[], conversations: readonly ConversationInfo[]): number =>
  sessions.filter(isWaiting).length + conversations.filter(needsApproval).length;

/** Ranks approvals before questions; the stable sort keeps the newest first among equals. */
const urgency = (row: Row): number =>
  row.kind === 'conversation' || row.info.activity?.state === 'waiting_approval' ? 0 : 1;

/**
 * Builds the sections of the list. `sessions`: newest first, in display order. Rows that wait for a person come first.
 */
export function sectionsOf(
  sessions: readonly SessionInfo[],
  conversations: readonly ConversationInfo[],
): readonly Section[] {
  const sorted = [...conversations].sort(byUrgency);
  const waiting = [...sorted.filter(needsApproval).map(conversationRow), ...sessions.filter(isWaiting).map(sessionRow)];
  return [
    // The sort is stable: equal rows keep their order.
    { name: 'waiting', rows: waiting.sort((a, b) => urgency(a) - urgency(b)) },
    { name: 'conversations', rows: sorted.filter((info) => !needsApproval(info)).map(conversationRow) },
    { name: 'sessions', rows: sessions.filter((info) => !isWaiting(info)).map(sessionRow) },
  ];
}

/**
 * Returns the current rows in the earlier order, so that nothing moves below a pointer. New rows come last in their
 * section; removed rows disappear.
 */
export function stableOrder(before: readonly Section[], now: readonly Section[]): readonly Section[] {
  const rows = new Map(now.flatMap((section) => section.rows.map((row) => [row.key, row] as const)));
  const remaining = before.map(({ name, rows: old }) => {
    const found: Row[] = [];
    for (const { key } of old) {
      const row = rows.get(key);
      if (row !== undefined) found.push(row);
      rows.delete(key);
    }
    return { name, rows: found };
  });
  return remaining.map(({ name, rows: old }) => {
    const fresh = now.find((section) => section.name === name)?.rows.filter(({ key }) => rows.has(key)) ?? [];
    return { name, rows: [...old, ...fresh] };
  });
}
