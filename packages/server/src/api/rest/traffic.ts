// The routes of stored traffic: events of emitters, and statistics. search/search.ts has the behavior.

import { BinnacleError, defined, type StatsQuery, type TrafficQuery } from '@binnacle/protocol';
import type { Search } from '../../search/search.ts';
import type { SessionAccess } from '../../visibility/session-access.ts';
import { type HttpRoute, json, route, z } from '../http/routes.ts';
import { Flag, numberIn, text } from '../schemas/fields.ts';

const MAX_EVENTS = 500;
const Time = numberIn(0, Number.MAX_SAFE_INTEGER);

/** Refuses unknown filters with a code of their own. */
const filters = <S extends z.ZodRawShape>(shape: S) => {
  const refuse = (query: unknown): unknown => {
    for (const name of Object.keys(query as object)) {
      if (Object.hasOwn(shape, name)) continue;
      throw new BinnacleError('bad_filter', {
        message: `There is no filter "${name.slice(0, 64)}".`,
        hint: `Use ${Object.keys(shape).join(', ')}.`,
        details: { filter: name.slice(0, 64) },
      });
    }
    return query;
  };
  return z.preprocess(refuse, z.strictObject(shape));
};

/** Exactly the names of the protocol package; otherwise this does not compile. */
type QuerySchemas<Q> = { [K in keyof Required<Q>]: z.ZodType<Q[K] | undefined> };
const EventFilters = {
  session_id: text(200).optional(),
  source: text(64).optional(),
  label: text(321).optional(),
  command: text(1000).optional(),
  exit_code: numberIn(-0x8000_0000, 0xffff_ffff).optional(),
  since: Time.optional(),
  until: Time.optional(),
  is_final: Flag.optional(),
  after: text(64).optional(),
  limit: numberIn(1, MAX_EVENTS).optional(),
} satisfies QuerySchemas<TrafficQuery>;
const StatsFilters = {
  since: Time.optional(),
  until: Time.optional(),
  source: text(64).optional(),
} satisfies QuerySchemas<StatsQuery>;

const Event = z
  .object({
    id: z.string(),
    session: z.uuid(),
    session_id: z.string(),
    source: z.string(),
    labels: z.record(z.string(), z.string()),
    seq: z.number().nullable(),
    received_at: z.number(),
    timestamp: z.number().nullable(),
    command_preview: z.string().nullable(),
    response_preview: z.string().nullable(),
    exit_code: z.number().nullable(),
    signal: z.string().nullable(),
    is_final: z.boolean(),
    size: z.number(),
    lost_bytes: z.number(),
    offset: z.number(),
  })
  .openapi('TrafficEvent');
const Hour = z.object({
  hour: z.number(),
  source: z.string(),
  events: z.number(),
  bytes: z.number(),
  failures: z.number(),
  sessions: z.number(),
});

export function trafficRoutes(access: SessionAccess, search: Search): HttpRoute[] {
  return [
    route('get', '/v1/pty-traffic', 'view', {
      summary: 'List events of emitters, newest first, without their output.',
      query: filters(EventFilters),
      responses: {
        200: {
          description: 'One page of events.',
          schema: z.object({ events: z.array(Event), next: z.string().nullable() }),
        },
      },
      handler: async ({ query, principal }) =>
        json(await search.events(defined(query), access.seenBy(principal).isSeen)),
    }),
    route('get', '/v1/pty-traffic/stats', 'view', {
      summary: 'Count events, bytes and failures by hour and source.',
      query: filters(StatsFilters),
      responses: { 200: { description: 'Oldest hour first.', schema: z.object({ hours: z.array(Hour) }) } },
      handler: async ({ query, principal }) =>
        json(await search.stats(defined(query), access.seenBy(principal).isSeen)),
    }),
  ];
}
