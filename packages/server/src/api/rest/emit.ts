// The route for events of foreign sessions. Parses the envelope; the ingest validates the events.

import { BinnacleError, type EmitAnswer, type EmitResult, type TrafficProducer } from '@binnacle/protocol';
import type { Principal } from '../../access/principal.ts';
import { Producer, unknownFields } from '../../traffic/event.ts';
import type { Ingest } from '../../traffic/ingest.ts';
import type { SenderRateLimit } from '../../traffic/rate-limit.ts';
import { validate } from '../http/app.ts';
import { type HttpRoute, json, route, z } from '../http/routes.ts';

export const MAX_BATCH_EVENTS = 1000;
/** Maximum bytes of a batch: 1000 events of a few KiB, or one event of 1 MiB as base64 with room to spare. */
export const MAX_BATCH_BYTES = 4 * 1024 * 1024;

/** Maximum names of ignored fields per response: enough to find a misspelling. */
const MAX_NAMED_FIELDS = 20;

const Batch = z.strictObject({ producer: Producer.optional(), events: z.array(z.unknown()) });

const Result = z.object({
  status: z.enum(['stored', 'duplicate', 'refused']),
  session_id: z.string().nullable(),
  seq: z.number().nullable(),
  session: z.string().optional(),
  position: z.string().optional(),
  offset: z.number().optional(),
  error: z.unknown().optional(),
});
const Answer = z
  .object({
    results: z.array(Result),
    stored: z.number(),
    duplicates: z.number(),
    refused: z.number(),
    ignored: z.number(),
    ignored_fields: z.array(z.string()),
  })
  .openapi('EmitAnswer');

export function emitRoutes(ingest: Ingest, rates: SenderRateLimit): HttpRoute[] {
  return [
    route('post', '/v1/pty-traffic/emit', 'ingest', {
      // Emitters of a later version may send more fields; the response counts the ignored ones.
      unknownFields: 'ignored',
      summary: 'Emit events of a program that runs elsewhere: one event, or up to 1000 in order.',
      body: z.unknown(),
      bodyLimit: MAX_BATCH_BYTES,
      responses: {
        200: { description: 'All events are stored.', schema: Answer },
        207: { description: 'Some events were refused: see each result.', schema: Answer },
      },
      handler: async ({ body, principal, request }) => {
        const { events, producer, isOne } = envelopeOf(body);
        admit(rates, principal, events.length, Number(request.headers['content-length'] ?? MAX_BATCH_BYTES));
        const results = await ingest.emit(events, { user: principal.user, producer });
        const [only] = results;
        if (isOne && only?.status === 'refused') throw BinnacleError.fromWire(only.error);
        const answer = answerOf(results, events.flatMap(unknownFields));
        return json(answer, { status: answer.refused === 0 ? 200 : 207 });
      },
    }),
  ];
}

/** Parses one event, a list of events, or a batch with an optional producer. Each event is validated later. */
function envelopeOf(body: unknown): {
  readonly events: readonly unknown[];
  readonly producer: TrafficProducer | undefined;
  readonly isOne: boolean;
} {
  if (typeof body !== 'object' || body === null) {
    throw new BinnacleError('bad_event', { message: 'The body is neither an event nor a batch of them.' });
  }
  const isBatch = Object.hasOwn(body, 'events');
  const { events, producer } = isBatch
    ? validate('body', Batch, body)
    : { events: Array.isArray(body) ? (body as unknown[]) : [body], producer: undefined };
  if (events.length === 0) throw new BinnacleError('bad_event', { message: 'The batch is empty.' });
  if (events.length > MAX_BATCH_EVENTS) {
    throw new BinnacleError('batch_too_large', { details: { limit: MAX_BATCH_EVENTS, events: events.length } });
  }
  return { events, producer, isOne: !isBatch && !Array.isArray(body) };
}

function admit(rates: SenderRateLimit, principal: Principal, events: number, bytes: number): void {
  const waitMs = rates.take(principal.id, events, bytes);
  if (waitMs > 0) throw new BinnacleError('too_fast', { details: { retryAfterMs: waitMs } });
}

function answerOf(results: readonly EmitResult[], ignored: readonly string[]): EmitAnswer {
  const count = (kind: EmitResult['status']): number => results.filter(({ status }) => status === kind).length;
  return {
    results,
    stored: count('stored'),
    duplicates: count('duplicate'),
    refused: count('refused'),
    ignored: ignored.length,
    ignored_fields: [...new Set(ignored)].slice(0, MAX_NAMED_FIELDS),
  };
}
