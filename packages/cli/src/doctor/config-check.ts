// What is wrong with a config file, by the same reading as the gateway's, and which of its agents cannot start here.

import { homedir } from 'node:os';
import { BinnacleError } from '@binnacle/protocol';
import {
  type AgentConfig,
  type AlsoWrong,
  type ConfigProblem,
  checkCwd,
  driverOf,
  findExecutable,
  loadConfig,
  type Wrong,
} from '@binnacle/server/config';
import { printable } from '../output/style.ts';

export interface ConfigCheck {
  readonly path: string;
  /** False: a gateway does not start with it, and one that runs keeps the file before. */
  readonly holds: boolean;
  /** Settings that are passed over or cannot work, where the config holds. */
  readonly problems: readonly ConfigProblem[];
}

/** `isRequired`: it was named, so that its absence is a problem. */
export function lookAtConfig(path: string, isRequired: boolean, alsoWrong?: AlsoWrong): ConfigCheck {
  try {
    return { path, holds: true, problems: loadConfig(path, isRequired, alsoWrong).problems };
  } catch (error) {
    if (!(error instanceof BinnacleError) || error.code !== 'bad_config') throw error;
    return { path, holds: false, problems: problemsOf(error) };
  }
}

/** Agents whose program, directory or key is not there, as far as this environment tells: the gateway's may be another. */
export function unstartable(agents: ReadonlyMap<string, AgentConfig>): Wrong[] {
  return [...agents.values()].flatMap((agent) => [...missingOf(agent)]);
}

function* missingOf(agent: AgentConfig): Generator<Wrong> {
  const { id, driver: name, cwd = homedir(), env, apiKeyEnv } = agent;
  const at = (setting: string): Wrong['at'] => ['agents', 'entries', id, setting];
  if (apiKeyEnv !== undefined && process.env[apiKeyEnv] === undefined) {
    yield { at: at('apiKeyEnv'), message: `There is no variable ${apiKeyEnv} here; the gateway needs it.` };
  }
  const driver = name.includes('/') ? undefined : driverOf(name);
  if (driver?.kind !== 'process') return;
  try {
    checkCwd(cwd);
  } catch {
    yield { at: at('cwd'), message: `There is no directory ${cwd} that we may enter.` };
  }
  try {
    const [program = ''] = driver.launch(agent, { memory: null, prompt: { id: '', text: '' } }).argv;
    findExecutable(program, env?.PATH ?? process.env.PATH ?? '', cwd);
  } catch (error) {
    // A missing command is told with the rest.
    if (!(error instanceof BinnacleError) || error.code !== 'command_not_found') return;
    yield { at: at('command'), message: `${error.message} Install it, or say where it is.` };
  }
}

/** What a `bad_config` says, one by one. */
export function problemsOf({ details, message }: BinnacleError): readonly ConfigProblem[] {
  // Made in config/config.ts, of this shape.
  const told = details?.problems as readonly ConfigProblem[] | undefined;
  return told ?? [{ path: '', line: 1, column: 1, message }];
}

export const problemLine = ({ path, line, column, message }: ConfigProblem): string =>
  printable(`${line}:${column} ${path === '' ? '' : `${path}: `}${message}`);
