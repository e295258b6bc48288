// `/command` of the sandbox daemon: parse, delegate, respond.

import { BinnacleError, type SessionId } from '@binnacle/protocol';
import type { Entry } from '../../log/log.ts';
import type { Session } from '../../sessions/session.ts';
import type { TimedSessions } from '../../sessions/timed-sessions.ts';
import type { SeenSessions, SessionAccess } from '../../visibility/session-access.ts';
import { type HttpRoute, json, route, TAKEN_OVER, z } from '../http/routes.ts';
import { Offset, text } from '../schemas/fields.ts';
import type { Liveness } from '../stream/liveness.ts';
import { expandCwd } from './cwd.ts';
import { EXECD, missingQuery } from './errors.ts';
import { type Execution, type ExecutionEnd, writeExecution, writeStarted } from './events.ts';
import { writeLogs } from './logs.ts';
import { currentRun, endingOfRun, findRun } from './runs.ts';
import { Envs, empty, iso, nothingOr, Shell, Timeout } from './schemas.ts';

const Id = z.object({ id: z.string() });
const UserId = z
  .number()
  .int()
  .min(0)
  .max(2 ** 32 - 2);

const NewCommand = z.object({
  command: Shell,
  cwd: nothingOr(text(4096)),
  background: nothingOr(z.boolean()),
  timeout: Timeout,
  uid: nothingOr(UserId),
  gid: nothingOr(UserId),
  envs: Envs,
});

const Status = z
  .object({
    id: z.string(),
    content: z.string(),
    running: z.boolean(),
    exit_code: z.number().optional(),
    error: z.string().optional(),
    started_at: z.string().optional(),
    finished_at: z.string().optional(),
  })
  .openapi('ExecdCommandStatus');

export function commandRoutes(access: SessionAccess, commands: TimedSessions, liveness: Liveness): HttpRoute[] {
  return [
    route('post', '/command', 'create', {
      dialect: EXECD,
      summary: 'Run shell text in a bash of its own (OpenSandbox execd).',
      body: NewCommand,
      responses: { 200: { description: 'Its events.', type: 'text/event-stream' } },
      handler: async ({ body, principal, takeOver }) => {
        const { command, cwd, background, timeout, uid, gid } = body;
        checkUser(uid, gid);
        const envs = body.envs ?? {};
        const begun = performance.now();
        const by = { name: principal.name };
        const spec = { command, envs, cwd: expandCwd(cwd, envs), timeoutMs: timeout };
        const seen = access.seenBy(principal);
        const session = await commands.start(seen, spec, by);
        if (background === true) writeStarted(takeOver(), liveness, session.id, performance.now() - begun);
        else await writeExecution(new CommandExecution(session, commands), seen.takeOver(session, takeOver), liveness);
        return TAKEN_OVER;
      },
    }),
    // The daemon has two addresses for interrupts: for commands, and for contexts, which include its bash sessions.
    ...(['/command', '/code'] as const).map((path) =>
      route('delete', path, 'input', {
        dialect: EXECD,
        summary: 'Interrupt a command, a run, or what runs in a session. The session stays usable (OpenSandbox execd).',
        query: z.object({ id: z.string().optional() }),
        responses: { 200: { description: 'It has ended.' } },
        handler: async ({ query: { id = '' }, principal }) => {
          if (id === '') throw missingQuery('id');
          await interrupt(commands, access.seenBy(principal), { id, by: { name: principal.name } });
          return empty();
        },
      }),
    ),
    route('get', '/command/status/:id', 'view', {
      dialect: EXECD,
      summary: 'How a command or a run stands (OpenSandbox execd).',
      params: Id,
      responses: { 200: { description: 'Its status.', schema: Status } },
      handler: async ({ params: { id }, principal }) => {
        const seen = access.seenBy(principal);
        const found = findRun(seen, id);
        if (found !== undefined) {
          const { command, state, exitCode, startedAt, endedAt } = found.run;
          const ending = state === 'ended' ? endingOfRun(found.run) : undefined;
          const times = { started_at: iso(startedAt), finished_at: iso(endedAt) };
          return json({ id, content: command, running: state !== 'ended', ...endFields(exitCode, ending), ...times });
        }
        const session = commands.find(seen, id);
        const { running, exitCode, signal, createdAt, exitedAt, argv } = await seen.info(id);
        const ending = running ? undefined : endingOf({ exitCode, signal }, commands.hasTimedOut(session.id), 0);
        const times = { started_at: iso(createdAt), finished_at: iso(exitedAt) };
        return json({ id, content: argv.at(-1) ?? '', running, ...endFields(exitCode, ending), ...times });
      },
    }),
    route('get', '/command/:id/logs', 'view', {
      dialect: EXECD,
      summary:
        'Output of a command or a run from byte `cursor` on, stdout and stderr as they came (OpenSandbox execd).',
      description: 'The header EXECD-COMMANDS-TAIL-CURSOR is the `cursor` of the next call.',
      params: Id,
      query: z.object({ cursor: Offset.optional() }),
      responses: { 200: { description: 'The bytes.', type: 'text/plain' } },
      handler: async ({ params: { id }, query: { cursor }, principal, takeOver }) => {
        const seen = access.seenBy(principal);
        const found = findRun(seen, id);
        const session = found?.session ?? commands.find(seen, id);
        await session.refresh();
        const range = found === undefined ? {} : { from: found.run.startOffset, to: found.run.endOffset };
        await writeLogs(session, { cursor, ...range }, () => seen.takeOver(session, takeOver), liveness);
        return TAKEN_OVER;
      },
    }),
  ];
}

/**
 * Interrupts and resolves when the command or run has ended. Throws `no_job` if nothing runs, and `session_not_found`
 * for a session without commands.
 */
async function interrupt(
  commands: TimedSessions,
  seen: SeenSessions,
  { id, by }: { readonly id: string; readonly by: { readonly name: string } },
): Promise<void> {
  const found = findRun(seen, id);
  if (found !== undefined) {
    if (found.run.state === 'ended') {
      throw new BinnacleError('no_job', { message: 'This run has ended.', hint: 'There is nothing to interrupt.' });
    }
    await found.session.runs.cancel(id, by);
  } else if (commands.isCommand(seen, id)) await commands.interrupt(seen, id, by);
  else {
    const session = seen.get(id);
    if (!session.takesRuns) throw new BinnacleError('session_not_found', { message: 'No such command.' });
    await session.refresh();
    await session.runs.cancel(currentRun(session), by);
  }
}

const endFields = (exitCode: number | null, ending: ExecutionEnd | undefined) => ({
  ...(exitCode === null ? {} : { exit_code: exitCode }),
  ...(ending?.type === 'error' ? { error: ending.why } : {}),
});

/** Refuses other users: programs always run as the gateway's own user. */
function checkUser(uid: number | undefined, gid: number | undefined): void {
  if (gid !== undefined && uid === undefined) {
    throw new BinnacleError('bad_request', {
      message: '"gid" in the body needs "uid".',
      details: { in: 'body', field: 'uid' },
    });
  }
  const isOther =
    (uid !== undefined && uid !== process.getuid?.()) || (gid !== undefined && gid !== process.getgid?.());
  if (isOther) {
    throw new BinnacleError('not_supported', {
      message: 'Commands run as the user of the gateway and as nobody else.',
    });
  }
}

interface ProgramExit {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

/** Returns the ending. A signal and a timeout are words, never numbers, because there is no exit code. */
function endingOf({ exitCode, signal }: ProgramExit, hasTimedOut: boolean, ms: number): ExecutionEnd {
  if (hasTimedOut) return { type: 'error', evalue: 'timeout', why: 'It took longer than its timeout and was ended.' };
  if (exitCode === 0) return { type: 'complete', ms };
  if (exitCode !== null) return { type: 'error', evalue: String(exitCode), why: `exit status ${exitCode}` };
  if (signal !== null) return { type: 'error', evalue: signal, why: `It was ended by the signal ${signal}.` };
  return { type: 'error', evalue: 'lost', why: 'How it ended was not seen: the process that owned it died.' };
}

/** A command as a stream: all its output, and the end at its exit, even if orphaned children hold the output open. */
class CommandExecution implements Execution {
  readonly session: Session;
  readonly id: SessionId;
  readonly #commands: TimedSessions;

  constructor(session: Session, commands: TimedSessions) {
    this.session = session;
    this.id = session.id;
    this.#commands = commands;
  }

  get at() {
    const { epoch, oldest } = this.session.log;
    return { epoch, ...oldest };
  }

  sort({ kind, bytes, time }: Entry) {
    if (kind === 'exit') return this.#end(JSON.parse(Buffer.from(bytes).toString()) as ProgramExit, time);
    if (kind === 'closed') return this.over();
    return 'output';
  }

  over(): ExecutionEnd {
    const { record } = this.session;
    return this.#end(record, record.exitedAt ?? Date.now());
  }

  #end(exit: ProgramExit, time: number): ExecutionEnd {
    return endingOf(exit, this.#commands.hasTimedOut(this.id), time - this.session.record.createdAt);
  }
}
