// Arguments of the tools, and aliases that agents know from similar tools. Parses only.

import { BinnacleError, parseSignal, SIGNALS } from '@binnacle/protocol';
import { z } from 'zod';
import { CommandArgument, text } from '../schemas/fields.ts';
import { OVERLAP } from '../stream/pattern.ts';

/** Maximum wait per call. MCP clients cut a call after 10 to 60 s; with this limit most get the result in time. */
export const MAX_WAIT_MS = 25_000;
const MAX_OUTPUT_BYTES = 256 * 1024;
const DEFAULT_OUTPUT_BYTES = 32 * 1024;
const MAX_TIMEOUT_MS = 30 * 24 * 3600_000;
/** Maximum grace before a kill. Together with the wait after the kill it fits into the duration of a call. */
const MAX_GRACE_MS = 15_000;

/** Maximum fields per call. Validation continues after a wrong field, so each of them costs time. */
const MAX_FIELDS = 32;
const MAX_ITEMS = 200;
const MAX_VARIABLES = 1000;

const Id = z.string().max(200).describe('The id from bash_start.');
const Milliseconds = z.number().int().min(0);

export const StartArguments = z.strictObject({
  command: CommandArgument.describe('Shell text, run by bash -c.'),
  description: text(200).optional().describe('The purpose in a few words. Viewers see it as the name of the session.'),
  cwd: text(4096)
    .optional()
    .describe('Working directory. Default: the directory in which binnacle mcp was started, else the home directory.'),
  env: z
    .record(z.string().max(1000), z.string().max(128 * 1024))
    .optional()
    .describe('Environment variables to set.'),
  timeout_ms: Milliseconds.min(1)
    .max(MAX_TIMEOUT_MS)
    .optional()
    .describe('Time after which the command and all its processes are ended. Default: never.'),
  pty: z
    .boolean()
    .default(false)
    .describe(
      'Run it in a terminal of 80×24, for programs that ask for one (editors, REPLs, password prompts, progress bars). ' +
        'Default: pipes, whose output has no escape sequences, is not wrapped, and is not paged.',
    ),
  name: text(200).optional().describe('Name of the session. Default: the description.'),
});

export const OutputArguments = z.strictObject({
  id: Id,
  offset: Milliseconds.max(Number.MAX_SAFE_INTEGER)
    .optional()
    .describe(
      'Position to read from: next_offset of the last answer, or 0 for the beginning. Default: the end of the output.',
    ),
  wait_ms: Milliseconds.max(600_000)
    .optional()
    .describe(
      `Wait so long for output (at most ${MAX_WAIT_MS}; a longer wait is ended there): the answer comes as soon as there is some and it pauses, ` +
        'the command has ended, or until matches. Default: 0; with until or block the longest.',
    ),
  until: z
    .string()
    .max(500)
    .optional()
    .describe(
      'Wait for this regular expression (RE2) in the output from offset on. ^ and $ are those of lines; (?i) in front ignores case; no look-around, no back references. What it matches may be ' +
        `${OVERLAP} characters long, of a large pattern less.`,
    ),
  block: z.boolean().optional().describe('Wait for the end of the command.'),
  max_bytes: z
    .number()
    .int()
    .min(1)
    .max(MAX_OUTPUT_BYTES)
    .default(DEFAULT_OUTPUT_BYTES)
    .describe('Maximum output bytes. The answer has truncated: true if there is more.'),
  strip_ansi: z.boolean().default(true).describe('Remove colours and other escape sequences.'),
});

export const InputArguments = z
  .strictObject({
    id: Id,
    text: text(256 * 1024)
      .optional()
      .describe('Text to write, unchanged: end a line with \\n.'),
    keys: z
      .preprocess(
        (value) => (typeof value === 'string' ? [value] : value),
        z.array(z.string().min(1).max(40)).max(MAX_ITEMS),
      )
      .optional()
      .describe(
        'Keys to press, behind text: enter, tab, esc, space, backspace, up, down, left, right, home, end, page-up, page-down, delete, f1…f12, ctrl-c, alt-x, or one character.',
      ),
  })
  .refine(({ text, keys }) => (text ?? '') !== '' || (keys ?? []).length > 0, 'Pass text or keys.');

export const SignalArguments = z.strictObject({
  id: Id,
  signal: z
    .string()
    .max(40)
    .transform((name) => {
      const signal = parseSignal(name);
      if (signal !== undefined) return signal;
      throw new BinnacleError('unknown_signal', {
        message: `"${name}" is not a signal that can be sent.`,
        details: { known: SIGNALS },
      });
    })
    .describe('INT, TERM, HUP, QUIT, KILL, USR1, USR2, STOP, CONT … for the foreground program.'),
});

export const ScreenArguments = z.strictObject({ id: Id });

export const ListArguments = z.strictObject({
  running: z.boolean().optional().describe('true: only running sessions. false: only ended sessions.'),
  limit: z.number().int().min(1).max(200).default(50).describe('Maximum number of sessions, newest first.'),
});

export const StopArguments = z.strictObject({
  id: Id,
  grace_ms: Milliseconds.max(MAX_GRACE_MS)
    .optional()
    .describe('Time between the request to end (SIGHUP, SIGTERM) and SIGKILL. Default: 2500.'),
});

const ID_NAMES = ['task_id', 'shell_id', 'bash_id', 'session_id'];

/** Applies the aliases and parses `args` with the schema. Throws `bad_request` that names the field. */
export function parseArguments<S extends z.ZodType>(schema: S, args: unknown): z.output<S> {
  refuseTooMany(args);
  const result = schema.safeParse(applyAliases(args, schema));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const field = issue?.path.map(String).join('.') ?? '';
  throw new BinnacleError('bad_request', {
    message: `${field === '' ? 'The arguments' : `"${field}"`}: ${issue?.message ?? 'not valid'}.`,
    hint: 'See tools/list for the arguments of the tool.',
    details: { in: 'arguments', field },
  });
}

function refuseTooMany(args: unknown): void {
  if (typeof args !== 'object' || args === null) return;
  const refuse = (field: string, message: string): never => {
    throw new BinnacleError('bad_request', { message, details: { in: 'arguments', field } });
  };
  if (Object.keys(args).length > MAX_FIELDS) refuse('', `The arguments have more than ${MAX_FIELDS} fields.`);
  for (const [name, value] of Object.entries(args)) {
    if (typeof value !== 'object' || value === null) continue;
    const most = Array.isArray(value) ? MAX_ITEMS : MAX_VARIABLES;
    const field = name.slice(0, 40);
    if (Object.keys(value).length > most) refuse(field, `"${field}": more than ${most} are too many.`);
  }
}

function applyAliases(args: unknown, schema: z.ZodType): unknown {
  if (typeof args !== 'object' || args === null || Array.isArray(args)) return args ?? {};
  const fields = new Map(Object.entries(args));
  const rename = (from: string, to: string): void => {
    if (!fields.has(from) || fields.has(to)) return;
    fields.set(to, fields.get(from));
    fields.delete(from);
  };
  if (schema === StartArguments) rename('timeout', 'timeout_ms');
  else for (const name of ID_NAMES) rename(name, 'id');
  if (schema === OutputArguments) rename('timeout', 'wait_ms');
  // A null field counts as an omitted field, because some clients spell omitted fields as null.
  for (const [name, value] of fields) if (value === null) fields.delete(name);
  return Object.fromEntries(fields);
}
