// The REST routes of sessions: parse, delegate, respond. sessions/session.ts and sessions/sessions.ts have the
// behavior.

import {
  BinnacleError,
  type CreateSession,
  defined,
  type OutputKind,
  parseSignal,
  SESSION_FILTERS,
  type SessionInfo,
  type SessionQuery,
  SIGNALS,
  type StartPosition,
} from '@binnacle/protocol';
import { positionOf } from '../../cursor/start-position.ts';
import { Labels } from '../../sessions/labels.ts';
import type { SessionAccess } from '../../visibility/session-access.ts';
import { type HttpRoute, json, noContent, route, TAKEN_OVER, z } from '../http/routes.ts';
import {
  by,
  CellCount,
  CommandArgument,
  EventHeaders,
  Flag,
  LeaseHeader,
  LeaseTtl,
  Offset,
  text,
  ttlOf,
  WaitMs,
  wantsEvents,
} from '../schemas/fields.ts';
import { OUTPUT_EVENTS } from '../schemas/frames.ts';
import { LeaseShape, SessionShape } from '../schemas/resources.ts';
import { type EventFormat, NDJSON, SSE, writeEvents } from '../stream/event-stream.ts';
import type { Liveness } from '../stream/liveness.ts';
import { writeOutput } from '../stream/output.ts';

const MAX_ARGS = 4096;

const Id = z.object({ id: z.string() });
const MessageNumber = Offset.refine((n) => n >= 1, 'a whole number from 1');

/** Refuses `__proto__`: the schema would drop that name silently. */
function withoutPrototype(env: unknown): unknown {
  if (typeof env === 'object' && env !== null && Object.hasOwn(env, '__proto__')) {
    throw new BinnacleError('bad_request', { message: '"__proto__" cannot be the name of a variable.' });
  }
  return env;
}

const NewSession = z.strictObject({
  command: CommandArgument.optional(),
  argv: z.array(CommandArgument).max(MAX_ARGS).optional(),
  mode: z.enum(['pty', 'pipe']).optional(),
  cwd: text(4096).optional(),
  env: z.preprocess(withoutPrototype, z.record(z.string(), z.string()).optional()),
  cols: CellCount.optional(),
  rows: CellCount.optional(),
  name: text(200).optional(),
  labels: Labels.optional(),
  runs: z.boolean().optional(),
});

/** Fails to compile if the schema and the protocol package differ. */
const describe = (info: Omit<SessionInfo, 'id'> & { id: string }): z.output<typeof SessionShape> => info;
const Receipt = z.object({ accepted: z.number(), duplicate: z.boolean(), queued: z.number() }).openapi('Receipt');
const ListQuery = z.strictObject({
  activity: z.enum(SESSION_FILTERS).optional(),
  q: z.string().max(200).optional(),
  label: z.string().max(200).optional(),
  after: z.string().max(64).optional(),
  limit: Offset.optional(),
});
const OutputQuery = z.strictObject({
  since: Offset.optional(),
  tail: Offset.optional(),
  position: z.string().max(64).optional(),
  follow: Flag.optional(),
  wait: WaitMs.optional(),
  limit: Offset.optional(),
  stream: z.enum(['stdout', 'stderr']).optional(),
  encoding: z.enum(['text', 'base64']).optional(),
  format: z.enum(['raw', 'sse', 'ndjson']).optional(),
});

export const sessionRoutes = (access: SessionAccess, liveness: Liveness): HttpRoute[] => [
  ...lifeRoutes(access),
  ...outputRoutes(access, liveness),
  ...inputRoutes(access),
  ...leaseRoutes(access),
];

function lifeRoutes(access: SessionAccess): HttpRoute[] {
  return [
    route('post', '/v1/sessions', 'create', {
      summary: 'Start a program.',
      body: NewSession,
      responses: { 201: { description: 'The session. Its program runs.', schema: SessionShape } },
      handler: async ({ body, principal }) => {
        const session = await access.seenBy(principal).create(body as CreateSession);
        return json(describe(session.info), { status: 201, headers: { Location: `/v1/sessions/${session.id}` } });
      },
    }),
    route('get', '/v1/sessions', 'view', {
      summary: 'List sessions, newest first.',
      query: ListQuery,
      responses: {
        200: {
          description: 'One page of sessions.',
          schema: z.object({ sessions: z.array(SessionShape), next: z.string().nullable() }),
        },
      },
      handler: async ({ query, principal }) => {
        const listQuery = Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined));
        return json(await access.seenBy(principal).list(listQuery as SessionQuery));
      },
    }),
    route('get', '/v1/sessions/:id', 'view', {
      summary: 'Show one session.',
      params: Id,
      responses: { 200: { description: 'The session.', schema: SessionShape } },
      handler: async ({ params, principal }) => json(await access.seenBy(principal).info(params.id)),
    }),
    route('delete', '/v1/sessions/:id', 'create', {
      summary: 'End a program and all its processes, and remove its log.',
      params: Id,
      responses: { 204: { description: 'The session is deleted.' } },
      handler: async ({ params, principal }) => {
        await access.seenBy(principal).delete(params.id);
        return noContent();
      },
    }),
  ];
}

function outputRoutes(access: SessionAccess, liveness: Liveness): HttpRoute[] {
  return [
    route('get', '/v1/sessions/:id/output', 'view', {
      summary:
        'Read output from a position: raw bytes, server-sent events (Accept: text/event-stream), or lines of JSON (application/x-ndjson).',
      params: Id,
      query: OutputQuery,
      headers: z.object(EventHeaders),
      events: OUTPUT_EVENTS,
      responses: { 200: { description: 'Raw bytes.', type: 'application/octet-stream' } },
      handler: async ({ params, query, headers, principal, takeOver }) => {
        const seen = access.seenBy(principal);
        const session = seen.get(params.id);
        await session.refresh();
        const format = eventFormatOf(query.format, headers.accept);
        const lastEventId = format === SSE ? headers['last-event-id'] : undefined;
        const at = await positionOf(session.log, fromOf(query, lastEventId));
        if (format !== undefined) {
          const follow = query.follow ?? true;
          const encoding = query.encoding ?? 'text';
          await writeEvents(
            session,
            { at, encoding, follow },
            seen,
            seen.takeOver(session, takeOver),
            liveness,
            format,
          );
          return TAKEN_OVER;
        }
        if (at.place < session.log.oldest.place) {
          throw new BinnacleError('gap', {
            details: { oldestOffset: session.log.oldest.offset, headOffset: session.log.head.offset },
          });
        }
        await writeOutput(
          session,
          {
            at,
            follow: query.follow ?? false,
            waitMs: query.wait ?? 0,
            ...(query.stream === undefined ? {} : { stream: query.stream satisfies OutputKind }),
            ...defined({ limit: query.limit }),
          },
          seen.takeOver(session, takeOver),
          liveness,
        );
        return TAKEN_OVER;
      },
    }),
  ];
}

function inputRoutes(access: SessionAccess): HttpRoute[] {
  return [
    route('post', '/v1/sessions/:id/input', 'input', {
      summary: 'Write to the program. All of the body or none of it.',
      params: Id,
      headers: z.object({
        ...LeaseHeader,
        'binnacle-client': z.string().min(1).max(64).optional(),
        'binnacle-message': MessageNumber.optional(),
      }),
      body: 'bytes',
      responses: { 200: { description: 'Number of bytes that the gateway accepted.', schema: Receipt } },
      handler: async ({ params, headers, body, principal }) => {
        const client = headers['binnacle-client'];
        const n = headers['binnacle-message'];
        if ((client === undefined) !== (n === undefined)) {
          throw new BinnacleError('bad_request', { message: 'Binnacle-Client and Binnacle-Message go together.' });
        }
        const message =
          client !== undefined && n !== undefined ? { client: `${principal.id}:${client}`, n } : undefined;
        return json(
          await access.seenBy(principal).get(params.id).write(body, by(principal, headers['binnacle-lease']), message),
        );
      },
    }),
    route('post', '/v1/sessions/:id/close-stdin', 'input', {
      summary: 'End the input of the program.',
      params: Id,
      headers: z.object(LeaseHeader),
      responses: { 204: { description: 'The input has ended, after all bytes that were written before.' } },
      handler: async ({ params, headers, principal }) => {
        await access.seenBy(principal).get(params.id).closeInput(by(principal, headers['binnacle-lease']));
        return noContent();
      },
    }),
    route('post', '/v1/sessions/:id/signal', 'input', {
      summary: 'Send a signal to the foreground job.',
      params: Id,
      headers: z.object(LeaseHeader),
      body: z.strictObject({ signal: z.string() }),
      responses: { 204: { description: 'The signal is sent.' } },
      handler: async ({ params, headers, body, principal }) => {
        const signal = parseSignal(body.signal);
        if (signal === undefined) {
          throw new BinnacleError('unknown_signal', {
            message: `The signal "${body.signal.slice(0, 40)}" cannot be sent.`,
            details: { known: SIGNALS },
          });
        }
        await access.seenBy(principal).get(params.id).signal(signal, by(principal, headers['binnacle-lease']));
        return noContent();
      },
    }),
    route('post', '/v1/sessions/:id/resize', 'input', {
      summary: 'Resize the terminal.',
      params: Id,
      headers: z.object(LeaseHeader),
      body: z.strictObject({ cols: CellCount, rows: CellCount }),
      responses: { 204: { description: 'The terminal has the new size.' } },
      handler: async ({ params, headers, body, principal }) => {
        await access
          .seenBy(principal)
          .get(params.id)
          .resize(body.cols, body.rows, by(principal, headers['binnacle-lease']));
        return noContent();
      },
    }),
  ];
}

function leaseRoutes(access: SessionAccess): HttpRoute[] {
  return [
    route('get', '/v1/sessions/:id/lease', 'view', {
      summary: 'Show who is in control.',
      params: Id,
      responses: {
        200: {
          description: 'The lease, or null if no one is in control.',
          schema: z.object({ lease: LeaseShape.nullable() }),
        },
      },
      handler: ({ params, principal }) => json({ lease: access.seenBy(principal).get(params.id).lease.info }),
    }),
    route('post', '/v1/sessions/:id/lease', 'input', {
      summary: 'Acquire, renew, release or take over control.',
      params: Id,
      body: z.strictObject({
        action: z.enum(['acquire', 'renew', 'release', 'take']).default('acquire'),
        lease: z.string().max(100).optional(),
        holder: text(100).optional(),
        ...LeaseTtl,
      }),
      responses: {
        200: {
          description: 'The lease. Only the holder gets its secret.',
          schema: LeaseShape.extend({ lease: z.string() }),
        },
      },
      handler: async ({ params, body, principal }) => {
        const { lease: sessionLease } = access.seenBy(principal).get(params.id);
        const { action, lease = '' } = body;
        const ttlMs = ttlOf(body);
        if (action === 'renew') return json(sessionLease.renew(lease));
        if (action === 'release') {
          sessionLease.release(lease);
          return json({ released: true });
        }
        const options = { take: action === 'take', ...defined({ ttlMs }) };
        return json(await sessionLease.acquire(body.holder ?? principal.name, options));
      },
    }),
  ];
}

/** Returns the format of events that the client asks for; undefined for raw bytes. */
function eventFormatOf(format: string | undefined, accept: string | undefined): EventFormat | undefined {
  if (format === 'ndjson' || (format === undefined && accept?.includes(NDJSON.type) === true)) return NDJSON;
  return wantsEvents(format, accept) ? SSE : undefined;
}

function fromOf(query: z.output<typeof OutputQuery>, lastEventId: string | undefined): StartPosition {
  if (lastEventId !== undefined && lastEventId !== '') return lastEventId;
  const starts = [query.since, query.tail, query.position].filter((value) => value !== undefined);
  if (starts.length > 1) throw new BinnacleError('bad_request', { message: 'Pass one of since, tail and position.' });
  if (query.position !== undefined) return query.position;
  if (query.tail !== undefined) return { tail: query.tail };
  return { offset: query.since ?? 0 };
}
