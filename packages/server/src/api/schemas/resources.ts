// Schemas of sessions and conversations in responses, frames and events.

import { ACTIVITY_STATES, LOST_REASONS } from '@binnacle/protocol';
import { z } from '../http/routes.ts';

export const LeaseShape = z.object({ holder: z.string(), fence: z.number(), expiresInMs: z.number() });
/** Origin of a session that runs elsewhere. */
export const ForeignShape = z.object({
  sessionId: z.string(),
  source: z.string(),
  labels: z.record(z.string(), z.string()).readonly(),
  user: z.string(),
  producer: z.string().nullable(),
  heardAt: z.number(),
});
export const SessionShape = z
  .object({
    id: z.uuid(),
    name: z.string(),
    state: z.enum(['starting', 'running', 'exited', 'closed', 'lost']),
    running: z.boolean(),
    mode: z.enum(['pty', 'pipe']),
    argv: z.array(z.string()).readonly(),
    cwd: z.string(),
    cols: z.number(),
    rows: z.number(),
    pid: z.number().nullable(),
    exitCode: z.number().nullable(),
    signal: z.string().nullable(),
    epoch: z.string(),
    outputOffset: z.number(),
    oldestOffset: z.number(),
    syncedOffset: z.number(),
    position: z.string(),
    createdAt: z.number(),
    exitedAt: z.number().nullable(),
    lease: LeaseShape.nullable(),
    stalled: z.enum(['disk_full']).nullable(),
    runs: z.object({ current: z.string().nullable(), queued: z.number() }).nullable(),
    foreign: ForeignShape.nullable(),
    labels: z.record(z.string(), z.string()).readonly(),
    activity: z.object({ state: z.enum(ACTIVITY_STATES), since: z.number(), text: z.string().nullable() }).nullable(),
    lostReason: z.enum(LOST_REASONS).optional(),
  })
  .openapi('Session');

const UserName = z.string().min(1).max(64);
/** Visibility of a conversation. */
export const VisibilityShape = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('private') }),
  z.strictObject({ kind: z.literal('shared'), with: z.array(UserName).max(100) }),
  z.strictObject({ kind: z.literal('everyone') }),
]);

export const ConversationShape = z
  .object({
    key: z.string(),
    agent: z.string(),
    owner: z.string().nullable(),
    visibility: VisibilityShape,
    title: z.string(),
    createdAt: z.number(),
    updatedAt: z.number(),
    position: z.string(),
    epoch: z.string(),
    run: z.looseObject({ id: z.string(), state: z.string(), text: z.string() }).nullable(),
    queue: z.array(z.looseObject({ id: z.string(), text: z.string() })),
    approvals: z.array(z.looseObject({ id: z.string(), title: z.string() })),
    lease: z.object({ holder: z.string(), fence: z.number(), expiresInMs: z.number() }).nullable(),
    usage: z
      .object({
        inputTokens: z.number().optional(),
        outputTokens: z.number().optional(),
        costUsd: z.number().optional(),
      })
      .nullable(),
    steer: z.array(z.enum(['queue', 'inject', 'interrupt'])),
    mine: z.boolean(),
  })
  .openapi('Conversation');
