// Failures of commands: exit codes and messages.

import { BinnacleError, type Code } from '@binnacle/protocol';
import { printableLines } from './style.ts';

/**
 * Exit codes of this program. `run`, `exec` and `attach` otherwise exit with the program's code (128 + n for a signal).
 * `interrupted` is the code after Ctrl-C, as in shells: 128 and the number of SIGINT.
 */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  unreachable: 3,
  refused: 4,
  noSession: 5,
  noProgram: 127,
  interrupted: 130,
} as const;

export const EXIT_HELP = `
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 gateway not reachable, 4 refused (token, scope), 5 no such session.
run, exec and attach end with the code of the program instead: 128 + n if signal n ended it, 127 if there is no such program.
Environment: BINNACLE_URL and BINNACLE_TOKEN name a gateway, BINNACLE_DATA a data directory, BINNACLE_DEBUG=1 shows stacks.`;

/** A failure of the command line itself. Refusals of a gateway are BinnacleErrors. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly exitCode: number;
  readonly hint: string | undefined;

  constructor(exitCode: number, message: string, hint?: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.exitCode = exitCode;
    this.hint = hint;
  }
}

export const usage = (message: string, hint?: string): Failure => new Failure(EXIT.usage, message, hint);

const BY_CODE: Partial<Record<Code, number>> = {
  unauthorized: EXIT.refused,
  forbidden: EXIT.refused,
  revoked: EXIT.refused,
  share_expired: EXIT.refused,
  share_revoked: EXIT.refused,
  share_used_up: EXIT.refused,
  bad_origin: EXIT.refused,
  bad_host: EXIT.refused,
  rate_limited: EXIT.refused,
  session_not_found: EXIT.noSession,
  session_gone: EXIT.noSession,
  unreachable: EXIT.unreachable,
  going_away: EXIT.unreachable,
  command_not_found: EXIT.noProgram,
};

export function exitCodeOf(error: unknown): number {
  if (error instanceof Failure) return error.exitCode;
  if (error instanceof BinnacleError) return BY_CODE[error.code] ?? EXIT.failed;
  return isUnreachable(error) ? EXIT.unreachable : EXIT.failed;
}

/** Formats an error for stderr: the message, then the hint on a line of its own. */
export function describe(error: unknown, debug: boolean): string {
  // Sanitized: the text can contain names of files, programs and people, which must not move the cursor.
  const lines = [`binnacle: ${printableLines(messageOf(error))}`];
  const hint = hintOf(error);
  if (hint !== undefined) lines.push(`  ${printableLines(hint)}`);
  if (debug && error instanceof Error && error.stack !== undefined) lines.push(error.stack);
  return `${lines.join('\n')}\n`;
}

export function messageOf(error: unknown): string {
  if (isUnreachable(error)) return 'The gateway cannot be reached.';
  return error instanceof Error ? error.message : String(error);
}

export function hintOf(error: unknown): string | undefined {
  if (error instanceof Failure) return error.hint;
  if (error instanceof BinnacleError) {
    const hint = IN_COMMANDS.reduce((text, [pattern, command]) => text.replace(pattern, command), error.hint);
    return OFFSETS.reduce((text, name) => text.replace(name, String(error.details?.[name] ?? name)), hint);
  }
  return isUnreachable(error) ? 'Start the gateway with: binnacle serve' : undefined;
}

/** Replacements in hints: a gateway's hints name HTTP addresses; these are the commands for them. */
const IN_COMMANDS: readonly (readonly [string, string])[] = [
  ['GET /v1/agents', 'binnacle agents'],
  [
    'GET /v1/conversations, or create one with POST /v1/conversations',
    'binnacle chat --list, or start one with binnacle chat',
  ],
  ['GET /v1/sessions.', 'binnacle ls.'],
  ['with ?tail=.', 'with tail --bytes.'],
  ['Start a session with "runs": true, or binnacle run --runs.', 'Start a session with: binnacle run --runs'],
  [
    'Send Authorization: Bearer TOKEN, or open a fresh login link (binnacle token link).',
    'Set BINNACLE_TOKEN to a token of this gateway. Make the token on its machine: binnacle token create NAME',
  ],
];
/** Names of details in hints that are replaced by their numbers. Programs read the details themselves. */
const OFFSETS = ['oldestOffset', 'headOffset'];

const UNREACHABLE = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT']);

/** Returns true for a connection failure. fetch() and ws hide the code of the system call one to three causes deep. */
function isUnreachable(error: unknown): boolean {
  let at = error;
  for (let depth = 0; depth < 4 && at instanceof Error; depth++) {
    if ('code' in at && typeof at.code === 'string' && UNREACHABLE.has(at.code)) return true;
    at = at instanceof AggregateError ? at.errors[0] : at.cause;
  }
  return false;
}
