// Descriptions of sessions and conversations, each in a file beside its log: a lost catalogue is rebuilt from these.
// Rows take precedence where they exist: a description has the newest name of its session, but no state.

import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { ConversationRecord } from '../conversations.ts';
import type { NewSession, SessionRecord } from '../sessions.ts';

const Labels = z.record(z.string(), z.string());
const Spec = z.object({
  argv: z.array(z.string()),
  mode: z.enum(['pty', 'pipe']),
  cwd: z.string(),
  envNames: z.array(z.string()),
  cols: z.number(),
  rows: z.number(),
  takesRuns: z.boolean(),
  labels: Labels.optional(),
});
const Foreign = z.object({
  sessionId: z.string(),
  source: z.string(),
  labels: Labels,
  user: z.string(),
  producer: z.string().nullable(),
  heardAt: z.number(),
});
const SessionDescription = z.object({
  name: z.string(),
  spec: Spec,
  createdAt: z.number(),
  runner: z.string().nullable(),
  conversation: z.string().nullable(),
  hidden: z.boolean(),
  foreign: Foreign.nullable(),
  /** End of a session that was over when it was imported. */
  ended: z
    .object({
      exitCode: z.number().nullable(),
      exitedAt: z.number().nullable(),
      epoch: z.string().nullable(),
      head: z.object({ place: z.number(), offset: z.number() }).nullable(),
    })
    .nullable(),
});
export type SessionDescription = z.infer<typeof SessionDescription>;

const ConversationDescription = z.object({
  key: z.string(),
  agent: z.string(),
  owner: z.string().nullable(),
  visibility: z.unknown(),
  title: z.string(),
  plugin: z.string().nullable(),
  createdAt: z.number(),
});
export type ConversationDescription = z.infer<typeof ConversationDescription>;

const NAME = 'session.json';

/** Writes a description into the directory of a session, beside its log. Throws the failures of writes (ENOSPC). */
export function describeSession(dir: string, { id: _, ...record }: SessionRecord): void {
  const { name, spec, createdAt, runner, conversation, hidden, foreign, exitCode, exitedAt, epoch, head } = record;
  const isRecording = foreign !== null && record.state === 'closed';
  const ended = isRecording ? { exitCode, exitedAt, epoch, head } : null;
  write(join(dir, NAME), { name, spec, createdAt, runner, conversation, hidden, foreign, ended });
}

/** Returns undefined without a readable description. */
export function readSession(dir: string): SessionDescription | undefined {
  return read(join(dir, NAME), SessionDescription);
}

/**
 * Writes a description beside the directory of a conversation, which contains only its log. Throws the failures of
 * writes (ENOSPC).
 */
export function describeConversation(
  dir: string,
  record: Pick<ConversationRecord, 'key' | 'agent' | 'owner' | 'visibility' | 'title' | 'createdAt'>,
  plugin: string | null,
): void {
  const { key, agent, owner, visibility, title, createdAt } = record;
  write(`${dir}.json`, { key, agent, owner, visibility, title, plugin, createdAt });
}

/** Returns undefined without a readable description. */
export function readConversation(dir: string): ConversationDescription | undefined {
  return read(`${dir}.json`, ConversationDescription);
}

/**
 * Removes a description. Call before the removal of the row: a log with a description and without a row counts as lost,
 * and is restored.
 */
export const forgetConversation = (dir: string): void => rmSync(`${dir}.json`, { force: true });

/** Describes a session without a description: only readers who may see everything may see it. */
export const undescribed = (id: string, createdAt: number): SessionDescription & Pick<NewSession, 'name'> => ({
  name: `found-${id.slice(-8)}`,
  spec: { argv: [], mode: 'pty', cwd: '', envNames: [], cols: 80, rows: 24, takesRuns: false },
  createdAt,
  runner: null,
  // The id of no conversation.
  conversation: `unknown:${id}`,
  hidden: false,
  foreign: null,
  ended: null,
});

/** Writes a file atomically, except at a power loss: then the row remains, and reads validate the file. */
function write(path: string, value: object): void {
  const aside = `${path}.new`;
  try {
    writeFileSync(aside, JSON.stringify(value), { mode: 0o600 });
    renameSync(aside, path);
  } catch (error) {
    rmSync(aside, { force: true });
    throw error;
  }
}

function read<T>(path: string, shape: z.ZodType<T>): T | undefined {
  try {
    return shape.safeParse(JSON.parse(readFileSync(path, 'utf8'))).data;
  } catch {
    return undefined;
  }
}
