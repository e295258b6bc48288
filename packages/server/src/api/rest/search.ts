// The routes of search over the output of all sessions: parse, delegate, respond. search/search.ts has the behavior.

import { defined, type SearchResult } from '@binnacle/protocol';
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

const Hit = z
  .object({
    session: z.uuid(),
    name: z.string(),
    state: z.enum(['starting', 'running', 'exited', 'closed', 'lost']),
    foreign: ForeignShape.nullable(),
    offset: z.number(),
    snippet: z.string(),
    matches: z.array(z.tuple([z.number(), z.number()])),
    time: z.number(),
  })
  .openapi('SearchHit');
const Result = z.object({ hits: z.array(Hit), next: z.string().nullable(), behindBytes: z.number() });

export function searchRoutes(access: SessionAccess, search: Search): HttpRoute[] {
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
