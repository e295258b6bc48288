// The REST routes of runs: parse, delegate, respond. sessions/session.ts has their behavior, api/stream/run-stream.ts
// their output.

import { BinnacleError, isRunId, type ProcessInfo, type RunInfo, type RunRequest } from '@binnacle/protocol';
import { MAX_TIMER_MS } from '../../base/timer.ts';
import type { Session } from '../../sessions/session.ts';
import type { SeenSessions, SessionAccess } from '../../visibility/session-access.ts';
import { type HttpRoute, json, respond, route, TAKEN_OVER, z } from '../http/routes.ts';
import {
  by,
  CommandArgument,
  EventHeaders,
  Flag,
  LeaseHeader,
  Offset,
  text,
  WaitMs,
  wantsEvents,
} from '../schemas/fields.ts';
import { RUN_EVENTS } from '../schemas/frames.ts';
import type { Liveness } from '../stream/liveness.ts';
import { type RunFrom, sessionHead, streamRun, writeRunOutput } from '../stream/run-stream.ts';
import { hasRunEnded, waitForRun } from '../stream/wait.ts';

const InSession = z.object({ id: z.string() });
const OfRun = z.object({ id: z.string(), run: z.string() });
const Encoding = z.enum(['text', 'base64']).optional();

const NewRun = z.strictObject({
  id: z.string().refine(isRunId, '1 to 64 of A-Z a-z 0-9 . _ -, not beginning with a dot').optional(),
  command: CommandArgument.refine((command) => command !== '', 'not empty'),
  cwd: text(4096).min(1).optional(),
  timeoutMs: z.number().int().min(0).max(MAX_TIMER_MS).optional(),
  stdin: z.enum(['null', 'session']).optional(),
  onBusy: z.enum(['queue', 'refuse']).optional(),
  onDisconnect: z.enum(['detach', 'cancel']).default('detach'),
});

const Info = z
  .object({
    id: z.string(),
    session: z.uuid(),
    command: z.string(),
    by: z.string(),
    state: z.enum(['queued', 'running', 'ended']),
    queuedAt: z.number(),
    startedAt: z.number().nullable(),
    endedAt: z.number().nullable(),
    durationMs: z.number().nullable(),
    position: z.string().nullable(),
    startOffset: z.number().nullable(),
    endOffset: z.number().nullable(),
    exitCode: z.number().nullable(),
    outcome: z.enum(['exited', 'timed_out', 'cancelled', 'session_ended', 'lost']).nullable(),
    reset: z.boolean(),
    cwd: z.string().nullable(),
  })
  .openapi('Run');
const Process = z.object({ pid: z.number(), parent: z.number(), command: z.string() }).openapi('Process');
/** Fails to compile if the schema and the protocol package differ. */
const describe = (info: Omit<RunInfo, 'id' | 'session'> & { id: string; session: string }): z.output<typeof Info> =>
  info;
const describeProcess = (info: ProcessInfo): z.output<typeof Process> => info;

const OutputQuery = z.strictObject({
  since: Offset.optional(),
  position: z.string().max(64).optional(),
  follow: Flag.optional(),
  encoding: Encoding,
  format: z.enum(['raw', 'sse']).optional(),
});

export const runRoutes = (access: SessionAccess, liveness: Liveness): HttpRoute[] => [
  ...startRoutes(access, liveness),
  ...outputRoutes(access, liveness),
  ...processRoutes(access),
];

/** Routes that start runs, and show them. */
function startRoutes(access: SessionAccess, liveness: Liveness): HttpRoute[] {
  return [
    route('post', '/v1/sessions/:id/runs', 'input', {
      summary:
        'Run a command in the shell of a session: as server-sent events (Accept: text/event-stream), or as JSON.',
      params: InSession,
      query: z.strictObject({
        format: z.enum(['json', 'sse']).optional(),
        encoding: Encoding,
        wait: WaitMs.optional(),
      }),
      headers: z.object({ ...LeaseHeader, accept: EventHeaders.accept }),
      body: NewRun,
      events: RUN_EVENTS,
      responses: { 201: { description: 'The run. With ?wait=, its end if it ends in that time.', schema: Info } },
      handler: async ({ params, query, headers, body, principal, signal, takeOver }) => {
        const seen = access.seenBy(principal);
        const session = seen.get(params.id);
        const steering = by(principal, headers['binnacle-lease']);
        const { onDisconnect, ...request } = body;
        const isSse = wantsEvents(query.format, headers.accept);
        // Read before the run starts, so that an unreadable log is reported before the start.
        const head = isSse ? sessionHead(session) : undefined;
        const run = await session.runs.start(request as RunRequest, steering);
        const abandon = async (): Promise<void> => {
          // The client is gone, so errors have no receiver: another client may have the lease by now, or the run may
          // have ended.
          if (onDisconnect === 'cancel') await session.runs.cancel(run.id, steering).catch(() => undefined);
        };
        if (head !== undefined) {
          const answer = { seen, session, run, head, liveness, signal, takeOver };
          const { encoding = 'text' } = query;
          const end = await streamRun(answer, { from: 'start', follow: true, encoding });
          if (end === 'left') await abandon();
          return TAKEN_OVER;
        }
        const latest = await waitForRunEnd(session, run, { waitMs: query.wait, signal, liveness, seen });
        if (signal.aborted) await abandon();
        return json(describe(latest), {
          status: 201,
          headers: { Location: `/v1/sessions/${session.id}/runs/${run.id}` },
        });
      },
    }),
    route('get', '/v1/sessions/:id/runs', 'view', {
      summary: 'List the runs of a session, oldest first.',
      params: InSession,
      responses: { 200: { description: 'The newest 1000 runs.', schema: z.object({ runs: z.array(Info) }) } },
      handler: ({ params, principal }) =>
        json({ runs: access.seenBy(principal).get(params.id).runs.list().map(describe) }),
    }),
    route('get', '/v1/sessions/:id/runs/:run', 'view', {
      summary: 'Show one run, with ?wait= once it has ended.',
      params: OfRun,
      query: z.strictObject({ wait: WaitMs.optional() }),
      responses: { 200: { description: 'The run.', schema: Info } },
      handler: async ({ params, query, principal, signal }) => {
        const seen = access.seenBy(principal);
        const session = seen.get(params.id);
        const run = session.runs.find(params.run);
        return json(describe(await waitForRunEnd(session, run, { waitMs: query.wait, signal, liveness, seen })));
      },
    }),
  ];
}

function outputRoutes(access: SessionAccess, liveness: Liveness): HttpRoute[] {
  return [
    route('get', '/v1/sessions/:id/runs/:run/output', 'view', {
      summary: 'Read output of one run from a position: raw bytes, or server-sent events (Accept: text/event-stream).',
      params: OfRun,
      query: OutputQuery,
      headers: z.object(EventHeaders),
      events: RUN_EVENTS,
      responses: { 200: { description: 'Raw bytes.', type: 'application/octet-stream' } },
      handler: async ({ params, query, headers, principal, signal, takeOver }) => {
        const seen = access.seenBy(principal);
        const session = seen.get(params.id);
        await session.refresh();
        const run = session.runs.find(params.run);
        const answer = { seen, session, run, head: sessionHead(session), liveness, signal, takeOver };
        const isSse = wantsEvents(query.format, headers.accept);
        const from = fromOf(query, isSse ? headers['last-event-id'] : undefined);
        if (isSse) {
          const { encoding = 'text', follow = true } = query;
          await streamRun(answer, { from, follow, encoding });
          return TAKEN_OVER;
        }
        const { follow = false } = query;
        if ((await writeRunOutput(answer, { from, follow })) === 'written') return TAKEN_OVER;
        // The run has not begun, or never did: there is no offset to resume from.
        const isClosed = hasRunEnded(session.runs.find(params.run));
        return respond(null, {
          headers: { 'Content-Type': 'application/octet-stream', 'Binnacle-Closed': isClosed ? '1' : '0' },
        });
      },
    }),
  ];
}

/** Routes that end a run, and list the processes of a session. */
function processRoutes(access: SessionAccess): HttpRoute[] {
  return [
    route('delete', '/v1/sessions/:id/runs/:run', 'input', {
      summary: 'End a run: SIGINT, then SIGTERM, then SIGKILL. Answers when it has ended.',
      params: OfRun,
      headers: z.object(LeaseHeader),
      responses: { 200: { description: 'The run with its end.', schema: Info } },
      handler: async ({ params, headers, principal }) => {
        const steering = by(principal, headers['binnacle-lease']);
        return json(describe(await access.seenBy(principal).get(params.id).runs.cancel(params.run, steering)));
      },
    }),
    route('get', '/v1/sessions/:id/processes', 'view', {
      summary: 'List the processes of a session.',
      params: InSession,
      responses: { 200: { description: 'The processes.', schema: z.object({ processes: z.array(Process) }) } },
      handler: async ({ params, principal }) =>
        json({ processes: (await access.seenBy(principal).get(params.id).runs.listProcesses()).map(describeProcess) }),
    }),
  ];
}

interface RunWaitOptions {
  readonly waitMs: number | undefined;
  readonly signal: AbortSignal;
  readonly liveness: Liveness;
  readonly seen: SeenSessions;
}

/** Returns the run when it has ended, or its state after the wait. */
async function waitForRunEnd(
  session: Session,
  run: RunInfo,
  { waitMs = 0, ...options }: RunWaitOptions,
): Promise<RunInfo> {
  if (waitMs === 0 || hasRunEnded(run)) return run;
  return await waitForRun(session, { run, isReached: hasRunEnded, timeoutMs: waitMs, ...options });
}

function fromOf({ since, position }: z.output<typeof OutputQuery>, lastEventId: string | undefined): RunFrom {
  if (lastEventId !== undefined && lastEventId !== '') return { position: lastEventId };
  if (since !== undefined && position !== undefined) {
    throw new BinnacleError('bad_request', { message: 'Pass one of since and position.' });
  }
  if (position !== undefined) return { position };
  return since === undefined ? 'start' : { since };
}
