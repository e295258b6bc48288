// The tools as data: scope, arguments, results and behavior. They work on ordinary sessions, so that people can watch
// and steer what an agent starts. Stateless: a result does not depend on earlier calls.

import { BinnacleError, defined, nameOfCommand, type Scope } from '@binnacle/protocol';
import type { CallToolResult, ToolAnnotations } from '@modelcontextprotocol/server';
import type { z } from 'zod';
import { callerKeyOf, type Principal } from '../../access/principal.ts';
import type { ConcurrencyLimit } from '../../base/concurrency-limit.ts';
import type { FairScheduler } from '../../base/fair-scheduler.ts';
import { MAX_COLS, MAX_ROWS } from '../../screen/screen-size.ts';
import { SessionScreens } from '../../screen/session-screens.ts';
import type { RenderedScreen } from '../../screen/wire.ts';
import type { Session, Steering } from '../../sessions/session.ts';
import type { TimedSessions } from '../../sessions/timed-sessions.ts';
import type { SeenSessions } from '../../visibility/session-access.ts';
import type { Liveness } from '../stream/liveness.ts';
import { compilePattern, Seeker } from '../stream/pattern.ts';
import { readText } from '../stream/text-reader.ts';
import {
  answer,
  type CommandStatus,
  describeStatus,
  InputAnswer,
  ListAnswer,
  OutputAnswer,
  ScreenAnswer,
  StartAnswer,
  StatusAnswer,
  shellCommandOf,
  statusOf,
} from './answers.ts';
import {
  InputArguments,
  ListArguments,
  MAX_WAIT_MS,
  OutputArguments,
  ScreenArguments,
  SignalArguments,
  StartArguments,
  StopArguments,
} from './arguments.ts';
import type { McpConnection } from './connections.ts';
import { bytesOfKey, isCursorKey } from './keys.ts';
import type { ToolProgress } from './progress.ts';
import type { ToolGuard, ToolSource } from './tool-guard.ts';

/** Absolute path, because a request may replace the PATH. */
const BASH = '/bin/bash';
const CTRL_D = '\x04';
const LIST_PAGE = 200;
/** Maximum characters of a command or a name in a list. */
const LIST_TEXT = 200;
/** Maximum sessions examined for a filtered list. */
const MAX_LIST_SCAN = 2000;
/** Share of the grace time for SIGHUP, the same as by default. */
const HUP_PART = 0.2;

/** The caller, and the services that a tool may use. */
export interface Caller {
  readonly principal: Principal;
  readonly seen: SeenSessions;
  /** Prefix of page addresses, without a trailing slash. */
  readonly base: string;
  /** Default working directory of commands. */
  readonly cwd: string | undefined;
  /** Aborted when the caller is gone. */
  readonly signal: AbortSignal;
  /** Returns the stored connection of a client with a handshake. Throws `mcp_session_not_found` without one. */
  connection(): McpConnection;
  readonly commands: TimedSessions;
  readonly liveness: Liveness;
  /** Limit of concurrent slow calls per token. */
  readonly calls: ConcurrencyLimit;
  readonly scheduler: FairScheduler;
  readonly screens: SessionScreens;
  /** Hooks before and after each call. */
  readonly guard: ToolGuard;
  /** Tools of plugins. */
  readonly others: ToolSource;
}

export interface Tool<S extends z.ZodType = z.ZodType> {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly scope: Scope;
  readonly annotations: ToolAnnotations;
  readonly takes: S;
  readonly answers: z.ZodType;
  run(args: z.output<S>, caller: Caller, progress: ToolProgress): Promise<CallToolResult>;
}

const tool = <S extends z.ZodType>(one: Tool<S>): Tool => one as unknown as Tool;

const READS: ToolAnnotations = {
  readOnlyHint: true,
  destructiveHint: false,
  idempotentHint: true,
  openWorldHint: false,
};

export const TOOLS: readonly Tool[] = [
  tool({
    name: 'bash_start',
    title: 'Start a command',
    description:
      'Starts a shell command in the background and returns at once. The command is a session: it continues after this ' +
      'conversation, and people can watch and steer it at the url. Read its output with bash_output. Its input stays ' +
      'open for bash_input; add </dev/null to a program that must not read it (such as rg without a path).',
    scope: 'create',
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
    takes: StartArguments,
    answers: StartAnswer,
    async run({ command, description, cwd = undefined, env, timeout_ms, pty, name = description }, caller) {
      if (command.trim() === '') throw new BinnacleError('bad_request', { message: 'The command is empty.' });
      const where = cwd ?? caller.cwd;
      const session = await caller.commands.startTimed(
        caller.seen,
        {
          argv: [BASH, '-c', command],
          mode: pty ? 'pty' : 'pipe',
          name: name ?? nameOfCommand(command),
          ...defined({ cwd: where, env }),
        },
        timeout_ms,
      );
      const status = commandStatusOf(session, caller);
      const url = urlOf(session.id, caller);
      const { name: named, cwd: at } = session.info;
      return answer(`Started ${session.id} in ${at}.\nPeople can watch it at ${url}`, {
        ...status,
        offset: 0,
        url,
        name: named,
        cwd: at,
      });
    },
  }),
  tool({
    name: 'bash_output',
    title: 'Read the output of a command',
    description:
      'Reads the output and the status of a command. Calls are stateless: pass next_offset of the last answer as offset ' +
      'to continue. Without an offset, the call returns the end of the output. ' +
      `With wait_ms, until or block the call waits, at most ${MAX_WAIT_MS / 1000} s; call again to wait longer.`,
    scope: 'view',
    annotations: READS,
    takes: OutputArguments,
    answers: OutputAnswer,
    async run({ id, offset, wait_ms, until, block, max_bytes, strip_ansi }, caller, progress) {
      const pattern = until === undefined ? undefined : compilePattern(until);
      const session = caller.seen.get(id);
      const wait = wait_ms ?? (until !== undefined || block === true ? MAX_WAIT_MS : 0);
      const read = () =>
        readText(
          session,
          {
            offset,
            maxBytes: max_bytes,
            waitMs: block === false ? 0 : Math.min(wait, MAX_WAIT_MS),
            waitsFor:
              pattern !== undefined
                ? new Seeker(pattern, caller.scheduler, callerKeyOf(caller.principal))
                : block === true
                  ? 'end'
                  : 'output',
            strip: strip_ansi,
            signal: caller.signal,
            progress,
          },
          caller,
        );
      const part = await caller.calls.run(caller.principal.id, read);
      const status = commandStatusOf(session, caller);
      const notes = [
        describeStatus(status),
        ...(part.matched === false ? ['until was not found'] : []),
        ...(part.gap === null ? [] : [`output ${part.gap.from} to ${part.gap.to} is not kept any more`]),
        part.truncated
          ? `there is more: offset ${part.offset} to ${part.nextOffset} is shown`
          : `next_offset ${part.nextOffset}`,
      ];
      const separator = part.text === '' || part.text.endsWith('\n') ? '' : '\n';
      return answer(`${part.text}${separator}[${notes.join('; ')}]`, {
        ...status,
        text: part.text,
        offset: part.offset,
        next_offset: part.nextOffset,
        truncated: part.truncated,
        matched: part.matched,
        gap: part.gap,
      });
    },
  }),
  tool({
    name: 'bash_input',
    title: 'Type into a command',
    description:
      'Writes text to a command and presses keys. A command on pipes takes only enter, tab and characters; ctrl-d ends ' +
      'its input. Interrupt a command on pipes with bash_signal.',
    scope: 'input',
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
    takes: InputArguments,
    answers: InputAnswer,
    async run({ id, text = '', keys = [] }, caller) {
      const session = caller.seen.get(id);
      const { input, ends } = await inputOf(session, text, keys, caller);
      const bytes = Buffer.from(input);
      const by = steering(caller);
      const nothing = { accepted: 0, queued: 0 };
      const { accepted, queued } = bytes.length === 0 ? nothing : await session.write(bytes, by);
      if (ends) await session.closeInput(by);
      const waiting = queued > 0 ? `; ${queued} wait because it does not read` : '';
      return answer(`${accepted} bytes were written${waiting}${ends ? '; the input is ended' : ''}.`, {
        ...commandStatusOf(session, caller),
        accepted,
        queued,
      });
    },
  }),
  tool({
    name: 'bash_signal',
    title: 'Send a signal to a command',
    description: 'Sends a signal to the foreground program, for example INT to interrupt it.',
    scope: 'input',
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: false },
    takes: SignalArguments,
    answers: StatusAnswer,
    async run({ id, signal }, caller) {
      const session = caller.seen.get(id);
      await session.signal(signal, steering(caller));
      return answer(`${signal} was sent. bash_output tells what became of it.`, {
        ...commandStatusOf(session, caller),
      });
    },
  }),
  tool({
    name: 'bash_screen',
    title: 'Look at the screen of a command',
    description:
      'Returns the rows on the terminal of a command, for programs that draw on the screen. Only for commands with ' +
      `pty: true. A terminal larger than ${MAX_COLS}×${MAX_ROWS} is drawn with that size.`,
    scope: 'view',
    annotations: READS,
    takes: ScreenArguments,
    answers: ScreenAnswer,
    async run({ id }, caller) {
      const session = caller.seen.get(id);
      const { cols, rows, lines, cursor, title, alternate, offset } = await screenOf(session, caller);
      const last = lines.findLastIndex((line) => line !== '');
      const status = commandStatusOf(session, caller);
      return answer(
        `${lines.slice(0, last + 1).join('\n')}\n[${describeStatus(status)}; ${cols}×${rows}, cursor in row ${cursor.row}, column ${cursor.col}]`,
        { ...status, rows: lines, size: { cols, rows }, cursor, title, full_screen: alternate, next_offset: offset },
      );
    },
  }),
  tool({
    name: 'bash_list',
    title: 'List commands',
    description:
      'Lists the sessions that this token may see, newest first. Sessions of people and of other agents are included.',
    scope: 'view',
    annotations: READS,
    takes: ListArguments,
    answers: ListAnswer,
    async run({ running, limit }, caller) {
      const found: Record<string, unknown>[] = [];
      const rows: string[] = [];
      let after: string | undefined;
      let more = false;
      for (let scanned = 0; scanned < MAX_LIST_SCAN && !more; scanned += LIST_PAGE) {
        const { sessions, next } = await caller.seen.list({ limit: LIST_PAGE, ...defined({ after }) });
        for (const info of sessions) {
          if (running !== undefined && info.running !== running) continue;
          if (found.length >= limit) {
            more = true;
            break;
          }
          const status = statusOf(info, caller.commands.hasTimedOut(info.id));
          rows.push(`${info.id}  ${describeStatus(status)}  ${shortOf(info.name)}`);
          found.push({
            ...status,
            name: shortOf(info.name),
            command: shortOf(shellCommandOf(info)),
            cwd: info.cwd,
            pty: info.mode === 'pty',
            source: info.foreign?.source ?? null,
            started_at: new Date(info.createdAt).toISOString(),
            ended_at: info.exitedAt === null ? null : new Date(info.exitedAt).toISOString(),
            output_bytes: info.outputOffset,
            url: urlOf(info.id, caller),
          });
        }
        if (next === null) break;
        after = next;
        more ||= scanned + LIST_PAGE >= MAX_LIST_SCAN;
      }
      return answer(rows.length === 0 ? 'There are none.' : rows.join('\n'), { sessions: found, more });
    },
  }),
  tool({
    name: 'bash_stop',
    title: 'End a command',
    description:
      'Ends a command and all its processes: SIGHUP, then SIGTERM, then SIGKILL. The output stays readable. Does ' +
      'nothing if the command has ended.',
    scope: 'create',
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
    takes: StopArguments,
    answers: StatusAnswer,
    async run({ id, grace_ms }, caller) {
      const session = caller.seen.get(id);
      const hupMs = Math.round((grace_ms ?? 0) * HUP_PART);
      const times = grace_ms === undefined ? undefined : { hupMs, termMs: grace_ms - hupMs };
      await caller.calls.run(caller.principal.id, () => session.end(times));
      const status = commandStatusOf(session, caller);
      return answer(`It ${describeStatus(status).replace(/^ended/, 'was ended')}.`, { ...status });
    },
  }),
];

const steering = ({ principal }: Caller): Steering => ({ name: `${principal.name} (MCP)` });

/** Shortens a text for a list. */
function shortOf(text: string): string {
  if (text.length <= LIST_TEXT) return text;
  // Without half a surrogate pair.
  return `${text.slice(0, LIST_TEXT - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}

const urlOf = (id: string, { base }: Caller): string => `${base}/#/${id}`;

const commandStatusOf = (session: Session, { commands }: Caller): CommandStatus =>
  statusOf(session.info, commands.hasTimedOut(session.id));

/** Draws the screen. Throws `screen_timeout`: an empty screen would mislead the agent. */
async function screenOf(session: Session, { calls, principal, screens }: Caller): Promise<RenderedScreen> {
  if (!SessionScreens.has(session)) {
    throw new BinnacleError('not_a_tty', {
      message: 'The command runs on pipes and has no screen.',
      hint: 'Read it with bash_output, or start it with pty: true.',
    });
  }
  return await calls.run(principal.id, () => screens.requireScreen(session));
}

async function inputOf(
  session: Session,
  text: string,
  keys: readonly string[],
  caller: Caller,
): Promise<{ readonly input: string; readonly ends: boolean }> {
  if (session.record.spec.mode === 'pty') {
    // Programs request one of two forms of the cursor keys; only their output tells which.
    const hasCursorKey = keys.some(isCursorKey);
    const application = hasCursorKey && (await screenOf(session, caller)).applicationKeys;
    return { input: text + keys.map((key) => bytesOfKey(key, application)).join(''), ends: false };
  }
  let input = text;
  for (const [index, key] of keys.entries()) {
    const bytes = bytesOfKey(key, false);
    if (bytes === CTRL_D && index === keys.length - 1) return { input, ends: true };
    // A terminal converts a carriage return to a line feed; a pipe does not.
    if (bytes === '\r') input += '\n';
    else if (isTyped(bytes)) input += bytes;
    else {
      throw new BinnacleError('not_a_tty', {
        message: `The command runs on pipes, which have no key "${key.slice(0, 40)}".`,
        hint: 'Use bash_signal to interrupt it, or start it with pty: true.',
      });
    }
  }
  return { input, ends: false };
}

/** Returns true for text without keys: on pipes only tab and line feed are useful among the control characters. */
const isTyped = (text: string): boolean =>
  [...text].every((char) => char === '\t' || char === '\n' || (char >= ' ' && char !== '\x7f'));
