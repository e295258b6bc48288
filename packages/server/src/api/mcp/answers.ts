// Results of the tools: their schemas and their text.

import { BinnacleError, CODES, type Code, type SessionInfo } from '@binnacle/protocol';
import type { CallToolResult } from '@modelcontextprotocol/server';
import { z } from 'zod';

const Offset = z.number().describe('Output bytes.');

/** Status fields of a command. */
const StatusFields = {
  id: z.string(),
  status: z
    .enum(['starting', 'running', 'exited', 'closed', 'lost'])
    .describe(
      'closed: the command has exited and its output is complete. lost: the process that ran the command died.',
    ),
  exit_code: z.number().nullable().describe('Null while the command runs, and if a signal ended it.'),
  signal: z.string().nullable().describe('The signal that ended the command.'),
  timed_out: z.boolean().describe('True if the command was ended after its timeout_ms.'),
};

export const StartAnswer = z.object({
  ...StatusFields,
  offset: Offset.describe('Beginning of the output.'),
  url: z.string().describe('Page where people watch and steer the command.'),
  name: z.string(),
  cwd: z.string(),
});
export const OutputAnswer = z.object({
  ...StatusFields,
  text: z.string(),
  offset: Offset.describe('Beginning of the text.'),
  next_offset: Offset.describe('Offset of the next call.'),
  truncated: z
    .boolean()
    .describe('True if there is more output after next_offset, or before offset if the call had no offset.'),
  matched: z.boolean().nullable().describe('True if until was found; null without until.'),
  gap: z.object({ from: z.number(), to: z.number() }).nullable().describe('Output that has been removed.'),
});
export const InputAnswer = z.object({
  ...StatusFields,
  accepted: z.number().describe('Accepted bytes.'),
  queued: z.number().describe('Bytes that wait until the command reads them.'),
});
export const StatusAnswer = z.object(StatusFields);
export const ScreenAnswer = z.object({
  ...StatusFields,
  rows: z.array(z.string()),
  size: z.object({ cols: z.number(), rows: z.number() }),
  cursor: z.object({ row: z.number(), col: z.number() }).describe('Zero-based.'),
  title: z.string(),
  full_screen: z.boolean().describe('True if the foreground program draws the whole screen.'),
  next_offset: Offset,
});
export const ListAnswer = z.object({
  sessions: z.array(
    z.object({
      ...StatusFields,
      name: z.string(),
      command: z.string(),
      cwd: z.string(),
      pty: z.boolean(),
      source: z
        .string()
        .nullable()
        .describe('Source of a command that runs elsewhere; such a command can be read, not steered. Null for others.'),
      started_at: z.string(),
      ended_at: z.string().nullable(),
      output_bytes: z.number(),
      url: z.string(),
    }),
  ),
  more: z.boolean().describe('True if there are older sessions.'),
});

export type CommandStatus = z.output<typeof StatusAnswer>;

export const statusOf = (info: SessionInfo, timedOut: boolean): CommandStatus => ({
  id: info.id,
  status: info.state,
  exit_code: info.exitCode,
  signal: info.signal,
  timed_out: timedOut,
});

/** Describes the status in one line. */
export function describeStatus({ status, exit_code, signal, timed_out }: CommandStatus): string {
  if (status === 'starting' || status === 'running') return 'running';
  if (status === 'lost') return 'lost: what owned it died, and how it ended was not seen';
  const why = timed_out ? ' after its timeout' : '';
  if (signal !== null) return `ended by ${signal}${why}`;
  return `exited with ${exit_code ?? 'an unknown code'}${why}`;
}

export const shellCommandOf = ({ argv }: SessionInfo): string =>
  argv.length === 3 && argv[1] === '-c' ? (argv[2] ?? '') : argv.join(' ');

export const answer = (text: string, structuredContent: Record<string, unknown>): CallToolResult => ({
  content: [{ type: 'text', text }],
  structuredContent,
});

/** Converts an error to a tool result. An unknown error becomes `internal`; the agent gets no part of it. */
export function failure(error: unknown): CallToolResult {
  const known = BinnacleError.of(error);
  const wire = { ...known.toWire(), hint: hintFor(known) };
  const details = wire.details === undefined ? '' : `\n${JSON.stringify(wire.details)}`;
  return {
    isError: true,
    content: [{ type: 'text', text: `${wire.code}: ${wire.message}\n${wire.hint}${details}` }],
    structuredContent: { ...wire },
  };
}

/** Hints for agents. The default hints name HTTP addresses and CLI commands, but an agent has tools. */
const HINTS: Partial<Record<Code, string>> = {
  bad_request: 'See tools/list for the arguments of the tool.',
  session_not_found: 'bash_list names those that there are; bash_start starts one.',
  session_gone: 'Its output is gone with it. bash_list names those that there are; bash_start starts one.',
  session_exited: 'Read its output with bash_output; bash_start starts another.',
  session_foreign: 'Read it with bash_output; it can be steered only where it runs.',
  stdin_closed: 'Start another one with bash_start to send more.',
  lease_held: 'A person steers it (details.holder): ask them, or wait. bash_output reads on meanwhile.',
  not_a_tty: 'Read it with bash_output, or start it with pty: true.',
  input_full: 'See with bash_output what it does, and send the same again when it reads.',
  no_job: 'Nothing runs in front of it. bash_stop ends the command itself.',
  offset_ahead: 'Pass a next_offset that you were given, or none for the end; the output ends at details.headOffset.',
  plugin_failed: 'The words are those of the plugin that the tool is of.',
  plugin_stopped: 'The plugin that the tool is of does not run now. Try again later, or do without.',
  too_many_sessions: 'End one with bash_stop; bash_list names those that run.',
};

/** Returns the hint for an error; a hint given where the error was raised takes precedence. */
export const hintFor = ({ code, hint }: BinnacleError): string =>
  (hint === CODES[code].hint ? HINTS[code] : undefined) ?? hint;
