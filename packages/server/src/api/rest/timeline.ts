// The route that returns the timeline of a session. `timelineOf` computes it.

import type { Timeline } from '@binnacle/protocol';
import { callerKeyOf } from '../../access/principal.ts';
import { ConcurrencyLimit } from '../../base/concurrency-limit.ts';
import { timelineOf } from '../../recording/timeline.ts';
import type { Session } from '../../sessions/session.ts';
import type { WaitStore } from '../../store/waits.ts';
import { timelineForGuests } from '../../visibility/guest-view.ts';
import type { SessionAccess } from '../../visibility/session-access.ts';
import { type HttpRoute, json, route, z } from '../http/routes.ts';
import { numberIn } from '../schemas/fields.ts';

const MAX_POINTS = 2000;
const POINTS = 400;
/** Maximum time for scanning a log where its index is not precise enough. */
const SCAN_MS = 150;

const TimelineShape = z
  .object({
    from: z.number(),
    to: z.number(),
    points: z.array(z.object({ time: z.number(), offset: z.number(), bytes: z.number() })).readonly(),
    stepMs: z.number(),
    marks: z
      .array(
        z.object({
          kind: z.enum(['run', 'resize', 'signal', 'gap', 'exit', 'waiting']),
          time: z.number(),
          offset: z.number(),
          text: z.string(),
        }),
      )
      .readonly(),
    isClipped: z.boolean(),
  })
  .openapi('Timeline');
/** Fails to compile if the schema and the timeline differ. */
const describe = (timeline: Timeline): z.output<typeof TimelineShape> => timeline;

/** Reads of one caller: enough waiting ones for two pages, each with superseded requests. */
const READS = { limit: 1, waiting: 4 };

export function timelineRoutes(access: SessionAccess, waits: WaitStore): HttpRoute[] {
  const queue = new ConcurrencyLimit(READS);
  return [
    route('get', '/v1/sessions/:id/timeline', 'view', {
      summary: 'Show when a session wrote how much, and its events: runs, waits, sizes, signals, gaps, exit.',
      params: z.object({ id: z.string() }),
      query: z.strictObject({ points: numberIn(1, MAX_POINTS).optional() }),
      responses: { 200: { description: 'The timeline.', schema: TimelineShape } },
      handler: async ({ params, query, principal }) => {
        const seen = access.seenBy(principal);
        const session = seen.get(params.id);
        const timeline = await queue.run(callerKeyOf(principal), () =>
          readTimeline(session, waits, query.points ?? POINTS),
        );
        // Checks access again: the owner of the session may have changed meanwhile.
        seen.get(params.id);
        return json(describe(seen.isGuest ? timelineForGuests(timeline) : timeline));
      },
    }),
  ];
}

async function readTimeline(session: Session, waits: WaitStore, points: number): Promise<Timeline> {
  await session.refresh();
  const now = session.isHosted ? { to: Date.now() } : {};
  const progress = await session.progress({ points, timeoutMs: SCAN_MS, ...now });
  const runs = session.takesRuns ? session.runs.list() : [];
  return timelineOf({ info: session.info, progress, runs, waits: waits.list(session.id) });
}
