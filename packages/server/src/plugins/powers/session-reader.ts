// Read access of plugins to sessions and conversations. A plugin with one of the two grants reads everything of that
// kind, because a plugin is not a user. Sessions of a conversation need the grant for conversations as well. Changes
// nothing.

import {
  BinnacleError,
  type ConversationList,
  defined,
  isConversationKey,
  type MessageInfo,
  type SessionInfo,
  type SessionList,
} from '@binnacle/protocol';
import { z } from 'zod';
import type { Gate } from '../grant/gate.ts';
import { grantIn } from '../grant/grants.ts';
import { type Clock, REAL_CLOCK } from '../host/supervision.ts';
import { parsed } from './parse.ts';
import type { PluginCaller, PowersOf } from './powers.ts';
import { PluginRateLimit } from './rate-limit.ts';

export type IsSeen = (record: { readonly conversation: string | null; readonly hidden: boolean }) => boolean;

/** Sessions that `isSeen` allows. Other sessions look as if they never existed. */
export interface ReadSessions {
  list(page: { readonly after?: string; readonly limit?: number }): Promise<SessionList>;
  info(id: string): Promise<SessionInfo>;
  /** Reads output without escape sequences. `offset`: in bytes; default: `maxBytes` before the end. */
  read(
    id: string,
    part: { readonly offset?: number | undefined; readonly maxBytes: number; readonly signal: AbortSignal },
  ): Promise<{ readonly text: string; readonly offset: number; readonly nextOffset: number }>;
}

/** All conversations. */
export interface ReadConversations {
  list(page: { readonly after?: string | undefined; readonly limit?: number | undefined }): Promise<ConversationList>;
  /** Returns messages, oldest first. Throws `conversation_not_found`. */
  history(
    key: string,
    page: { readonly before?: string | undefined; readonly limit?: number | undefined },
  ): Promise<{ readonly messages: readonly MessageInfo[]; readonly before: string | null }>;
}

export interface ReadingParts {
  readonly sessions: (isSeen: IsSeen) => ReadSessions;
  readonly conversations: ReadConversations;
  readonly clock?: Clock;
}

const MAX_READ_BYTES = 64 * 1024;
const TAIL_BYTES = 16 * 1024;
const MAX_PAGE = 100;
/** Maximum bytes of messages as JSON: they must fit into one answer. */
const MAX_MESSAGES_BYTES = 900 * 1024;
/** Maximum length of a message that alone does not fit. A character takes six bytes at most. */
const MAX_CUT_CHARS = 128 * 1024;
/** Units per second. A page of output is one unit; a list costs more, because it calls each runner. */
const PER_SECOND = 100;
const LIST_UNITS = 5;

const After = z.string().max(200).optional();
const Limit = z.int().min(1).max(MAX_PAGE).optional();
const SessionsRequest = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('list'), after: After, limit: Limit }),
  z.strictObject({ op: z.literal('get'), session: z.string() }),
  z.strictObject({
    op: z.literal('read'),
    session: z.string(),
    from: z.int().min(0).optional(),
  }),
]);
const ConversationsRequest = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('list'), after: After, limit: Limit }),
  z.strictObject({ op: z.literal('messages'), key: z.string(), before: After, limit: Limit }),
]);

export function readingPowers({
  sessions,
  conversations,
  clock = REAL_CLOCK,
}: ReadingParts): PowersOf<'readSessions' | 'readConversations'> {
  const pace = new PluginRateLimit(clock, PER_SECOND);
  return {
    readSessions: async (params, { plugin, gate, signal }: PluginCaller): Promise<unknown> => {
      gate.demand('readSessions', params);
      const request = parsed(SessionsRequest, params, 'readSessions');
      const { session } = gate.allow('readSessions', request.op === 'list' ? {} : { session: request.session });
      await pace.wait(plugin, request.op === 'list' ? LIST_UNITS : 1, signal);
      const seen = sessions(seenBy(gate));
      if (request.op === 'list') {
        const { sessions: items, next } = await seen.list(pageOptions(request));
        return { items: items.map(sessionView), next };
      }
      const id = session ?? '';
      if (request.op === 'get') return sessionView(await seen.info(id));
      const maxBytes = request.from === undefined ? TAIL_BYTES : MAX_READ_BYTES;
      const { text, offset, nextOffset } = await seen.read(id, { offset: request.from, maxBytes, signal });
      return { text, from: offset, next: nextOffset };
    },
    readConversations: async (params, { plugin, gate, signal }: PluginCaller): Promise<unknown> => {
      gate.demand('readConversations', params);
      const request = parsed(ConversationsRequest, params, 'readConversations');
      const { key } = gate.allow('readConversations', request.op === 'list' ? {} : { key: request.key });
      await pace.wait(plugin, request.op === 'list' ? LIST_UNITS : 1, signal);
      if (request.op === 'list') {
        const { conversations: items, next } = await conversations.list(pageOptions(request));
        return {
          items: items.map(({ key, agent, title, updatedAt }) => ({ key, agent, title, updatedAt })),
          next,
        };
      }
      if (key === undefined || !isConversationKey(key)) throw new BinnacleError('conversation_not_found');
      return await pageOf(conversations, key, request);
    },
  };
}

/** Decides for each session anew, so that a revoked grant takes effect at once. */
const seenBy =
  (gate: Gate): IsSeen =>
  ({ conversation, hidden }) =>
    !hidden && (conversation === null || grantIn(gate.grants, 'readConversations').kind !== 'denied');

/** Removes undefined values, because an absent value was not requested. */
const pageOptions = ({
  after,
  limit,
}: {
  readonly after?: string | undefined;
  readonly limit?: number | undefined;
}) => ({ ...defined({ after, limit }) });

const sessionView = ({ id, name, argv, cwd, state, exitCode, createdAt, outputOffset }: SessionInfo) => ({
  id,
  name,
  command: argv.join(' '),
  cwd,
  state,
  exitCode,
  createdAt,
  outputBytes: outputOffset,
});

/** Returns messages, newest first. Fewer if they do not fit into one answer; the rest is on the next page. */
async function pageOf(
  conversations: ReadConversations,
  key: string,
  { before, limit }: { readonly before?: string | undefined; readonly limit?: number | undefined },
) {
  const requested = await conversations.history(key, { before, limit });
  const fit = countFitting(requested.messages);
  const page = fit === requested.messages.length ? requested : await conversations.history(key, { before, limit: fit });
  return { items: [...page.messages].reverse().map(messageView), next: page.before };
}

/** Counts the newest messages that fit; at least one, which is then cut. */
function countFitting(messages: readonly MessageInfo[]): number {
  let bytes = 0;
  const newest = [...messages].reverse();
  const over = newest.findIndex((message) => {
    bytes += Buffer.byteLength(JSON.stringify(messageView(message)));
    return bytes > MAX_MESSAGES_BYTES;
  });
  return over < 0 ? messages.length : Math.max(1, over);
}

function messageView({ id, role, text, by, at }: MessageInfo) {
  const isLong = text.length * 6 > MAX_MESSAGES_BYTES && Buffer.byteLength(JSON.stringify(text)) > MAX_MESSAGES_BYTES;
  return {
    id,
    role,
    text: isLong ? `${text.slice(0, MAX_CUT_CHARS).replace(/[\ud800-\udbff]$/, '')}…` : text,
    by: by.name,
    at,
  };
}
