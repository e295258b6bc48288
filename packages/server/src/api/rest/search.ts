// The routes of search over output and messages: parse, delegate, respond. search/search.ts has the behavior.

import { defined, type SearchResult } from '@binnacle/protocol';
import type { MessageSearch } from '../../conversations/message-search.ts';
import type { Search } from '../../search/search.ts';
import type { SessionAccess } from '../../visibility/session-access.ts';
import { type HttpRoute, json, respond, route, z } from '../http/routes.ts';
import { numberIn } from '../schemas/fields.ts';
import { ForeignShape } from '../schemas/resources.ts';

const MAX_HITS = 50;

const Query = z.strictObject({
  // The query parser checks the length and has its own error code.
  q: z.string(),
  session_id: z.string().max(200).optional(),
  source: z.string().max(64).optional(),
  after: z.string().max(64).optional(),
  limit: numberIn(1, MAX_HITS).optional(),
});

const Matches = z.array(z.tuple([z.number(), z.number()]));
const Hit = z
  .object({
    session: z.uuid(),
    name: z.string(),
    state: z.enum(['starting', 'running', 'exited', 'closed', 'lost']),
    foreign: ForeignShape.nullable(),
    offset: z.number(),
    snippet: z.string(),
    matches: Matches,
    time: z.number(),
  })
  .openapi('SearchHit');
const MessageHitShape = z
  .object({
    conversation: z.string(),
    title: z.string(),
    message: z.string(),
    role: z.enum(['user', 'assistant']),
    snippet: z.string(),
    matches: Matches,
    time: z.number(),
  })
  .openapi('MessageHit');
const MessageQueryShape = z.strictObject({
  q: z.string(),
  conversation: z.string().max(512).optional(),
  after: z.string().max(64).optional(),
  limit: numberIn(1, MAX_HITS).optional(),
});
const MessageResult = z.object({ hits: z.array(MessageHitShape), next: z.string().nullable(), behind: z.number() });
const Result = z.object({ hits: z.array(Hit), next: z.string().nullable(), behindBytes: z.number() });

export function searchRoutes(access: SessionAccess, search: Search, messages: MessageSearch): HttpRoute[] {
  return [
    route('get', '/v1/search', 'view', {
      summary: 'Search the output of all sessions that the caller may see, newest first.',
      description:
        'Use words, "phrases in quotes", word* for the beginning of a word, -word for a word that must not occur.',
      query: Query,
      responses: { 200: { description: 'One page of hits.', schema: Result } },
      handler: async ({ query: { q, session_id, source, after, limit }, principal }) => {
        const found: SearchResult = await search.search(
          { q, ...defined({ session_id, source, after, limit }) },
          access.seenBy(principal).isSeen,
        );
        return json(found);
      },
    }),
    route('get', '/v1/search/messages', 'view', {
      summary: 'Search the messages of all conversations that the caller may see, newest first.',
      description: 'The words are those of GET /v1/search. A message that waits in a queue is not found.',
      query: MessageQueryShape,
      responses: { 200: { description: 'One page of messages.', schema: MessageResult } },
      handler: async ({ query: { q, ...query }, principal }) =>
        json(await messages.find({ q, ...defined(query) }, principal)),
    }),
    route('post', '/v1/search/rebuild', 'admin', {
      summary: 'Rebuild the index from the logs.',
      responses: { 202: { description: 'The rebuild has started. behindBytes of a search shows its progress.' } },
      handler: () => {
        search.rebuild();
        return respond(null, { status: 202 });
      },
    }),
  ];
}
