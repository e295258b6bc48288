// Resolves a request to start a program: which program, where it is found, and which directory and environment it gets.

import { homedir } from 'node:os';
import { basename } from 'node:path';
import {
  BinnacleError,
  type CreateSession,
  DEFAULT_SIZE,
  defined,
  nameOfCommand,
  type SessionId,
} from '@binnacle/protocol';
import { programEnvironment } from '../process/environment.ts';
import { BASH, checkProgramCwd, findExecutable } from '../process/launcher.ts';
import type { HostedSpec } from '../runner/wire.ts';
import type { SessionSpec } from '../store/sessions.ts';

export interface Launch {
  /** Name of the session if the request gives none. */
  readonly name: string;
  /** The spec as it is shown and stored: without the values of the environment. */
  readonly spec: SessionSpec;
  /** The spec as it is started. */
  readonly program: Pick<
    HostedSpec,
    'id' | 'mode' | 'argv' | 'cwd' | 'env' | 'cols' | 'rows' | 'isShell' | 'takesRuns'
  >;
}

/** Throws `bad_request`, `bad_cwd`, `command_not_found`. */
export function launchOf(
  request: CreateSession,
  options: {
    readonly id: SessionId;
    readonly isShell: boolean | undefined;
    readonly passEnv: readonly string[];
    readonly ownEnv: Readonly<Record<string, string>>;
  },
): Launch {
  const { id, isShell = request.command === undefined && request.argv === undefined, passEnv, ownEnv } = options;
  const { mode = 'pty', cwd = homedir(), runs: takesRuns = false, labels } = request;
  checkProgramCwd(cwd);
  const env = programEnvironment(process.env, request.env ?? {}, { id, hasTerminal: mode === 'pty' }, { passEnv });
  const argv = argvOf(request, takesRuns ? BASH : (env.SHELL ?? '/bin/sh'));
  const [program, ...args] = argv;
  const path = findExecutable(program, env.PATH ?? '', cwd);
  const { cols, rows } = { ...DEFAULT_SIZE, ...request };
  const shared = { mode, cwd, cols, rows, takesRuns };
  return {
    name: nameOfCommand(request.command) || basename(program),
    spec: { ...shared, argv, envNames: Object.keys(request.env ?? {}), ...defined({ labels }) },
    program: { ...shared, id, argv: [path, ...args], env: { ...env, ...ownEnv, PWD: cwd }, isShell },
  };
}

function argvOf(request: CreateSession, shell: string): [string, ...string[]] {
  if (request.runs === true && (request.command !== undefined || request.argv !== undefined)) {
    throw new BinnacleError('bad_request', { message: 'Pass runs, or command or argv, not both.' });
  }
  if (request.command !== undefined && request.argv !== undefined) {
    throw new BinnacleError('bad_request', { message: 'Pass command or argv, not both.' });
  }
  if (request.command !== undefined) {
    if (request.command.trim() === '') throw new BinnacleError('bad_request', { message: 'The command is empty.' });
    return [shell, '-c', request.command];
  }
  if (request.argv === undefined) return [shell];
  const [program, ...args] = request.argv;
  if (program === undefined || program === '') throw new BinnacleError('bad_request', { message: 'argv is empty.' });
  return [program, ...args];
}
