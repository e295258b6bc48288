// `/session` of the sandbox daemon with the extensions of seed 003: parse, delegate, respond.

import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { BinnacleError, defined } from '@binnacle/protocol';
import { positionOf } from '../../cursor/start-position.ts';
import type { SessionAccess } from '../../visibility/session-access.ts';
import { type HttpRoute, json, route, TAKEN_OVER, z } from '../http/routes.ts';
import { Flag, Offset, text } from '../schemas/fields.ts';
import type { Liveness } from '../stream/liveness.ts';
import { expandCwd } from './cwd.ts';
import { EXECD } from './errors.ts';
import { writeExecution } from './events.ts';
import { newRunId, RunExecution } from './runs.ts';
import { empty, nothingOr, Shell, Timeout } from './schemas.ts';

const Id = z.object({ id: z.string() });
const Cwd = nothingOr(text(4096));
const SessionStatus = z
  .object({ session_id: z.string(), running: z.boolean(), output_offset: z.number() })
  .openapi('ExecdSession');

const NewSession = SessionStatus.pick({ session_id: true }).extend({ mode: z.enum(['pty', 'pipe']).optional() });

export function execdSessionRoutes(access: SessionAccess, liveness: Liveness): HttpRoute[] {
  return [
    route('post', '/session', 'create', {
      dialect: EXECD,
      summary: 'Start a bash that takes runs (OpenSandbox execd).',
      description: 'With `pty=1` in a terminal, where one can be opened: `mode` says what it got.',
      query: z.object({ pty: Flag.optional() }),
      body: z.object({ cwd: Cwd }),
      responses: { 200: { description: 'Its id.', schema: NewSession } },
      handler: async ({ query, body, principal }) => {
        const cwd = expandCwd(body.cwd);
        if (cwd !== undefined) makeDirectory(cwd);
        const mode = query.pty === true ? 'pty' : 'pipe';
        const spec = { runs: true, mode, ...defined({ cwd }) } as const;
        const { id, record } = await access.seenBy(principal).create(spec, { orPipes: true });
        return json(query.pty === undefined ? { session_id: id } : { session_id: id, mode: record.spec.mode });
      },
    }),
    route('get', '/session/:id', 'view', {
      dialect: EXECD,
      summary: 'How a session stands.',
      params: Id,
      responses: { 200: { description: 'Where its output is.', schema: SessionStatus } },
      handler: async ({ params, principal }) => {
        const { id, running, outputOffset } = await access.seenBy(principal).info(params.id);
        return json({ session_id: id, running, output_offset: outputOffset });
      },
    }),
    route('post', '/session/:id/run', 'input', {
      dialect: EXECD,
      summary: 'Run shell text in the bash of a session, behind the runs that wait already (OpenSandbox execd).',
      description: 'With `since`, what came before the run is sent first, as `replay`.',
      params: Id,
      query: z.object({ since: Offset.optional() }),
      body: z.object({ command: Shell, cwd: Cwd, timeout: Timeout }),
      responses: { 200: { description: 'Its events.', type: 'text/event-stream' } },
      handler: async ({ params, query, body, principal, takeOver }) => {
        const seen = access.seenBy(principal);
        const session = seen.get(params.id);
        await session.refresh();
        const { command, timeout } = body;
        const cwd = expandCwd(body.cwd);
        const from = {
          before: await positionOf(session.log, 'now'),
          ...(query.since === undefined ? {} : { since: await positionOf(session.log, { offset: query.since }) }),
        };
        const run = await session.runs.start(
          { id: newRunId(session), command, ...defined({ cwd, timeoutMs: timeout }) },
          { name: principal.name },
        );
        // The log may lag: a run event can arrive before the log growth that it reports.
        if (run.position !== null) await session.refresh();
        await writeExecution(new RunExecution(session, run, from), seen.takeOver(session, takeOver), liveness);
        return TAKEN_OVER;
      },
    }),
    route('delete', '/session/:id', 'create', {
      dialect: EXECD,
      summary: 'End a session and everything that it started (OpenSandbox execd).',
      params: Id,
      responses: { 200: { description: 'Gone.' } },
      handler: async ({ params, principal }) => {
        await access.seenBy(principal).delete(params.id);
        return empty();
      },
    }),
  ];
}

/**
 * Creates the directory, as the daemon does, level by level: Node 20's `recursive` loops for ever if the kernel returns
 * ENOENT for a folder whose parent exists, as below /proc. Throws `bad_cwd`.
 */
function makeDirectory(cwd: string): void {
  try {
    const missing: string[] = [];
    for (let path = cwd; !existsSync(path); path = dirname(path)) missing.unshift(path);
    for (const path of missing) mkdirSync(path);
  } catch (cause) {
    throw new BinnacleError('bad_cwd', { message: `The working directory "${cwd}" cannot be made.`, cause });
  }
}
