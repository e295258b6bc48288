// Problems in a config file, found by the gateway's own loader, and agents that cannot start here.

import { homedir } from 'node:os';
import { BinnacleError } from '@binnacle/protocol';
import {
  type AgentConfig,
  type AlsoWrong,
  type ConfigFault,
  type ConfigProblem,
  checkProgramCwd,
  driverOf,
  findExecutable,
  loadConfig,
} from '@binnacle/server/config';
import { printable } from '../output/style.ts';

export interface ConfigCheck {
  readonly path: string;
  /** False: a gateway refuses to start with the file, and a running gateway keeps the previous one. */
  readonly holds: boolean;
  /** Settings that are ignored or cannot work, if the config is valid. */
  readonly problems: readonly ConfigProblem[];
}

/** Loads and checks the file. `isRequired`: the file was named, so that its absence is a problem. */
export function inspectConfig(path: string, isRequired: boolean, alsoWrong?: AlsoWrong): ConfigCheck {
  try {
    return { path, holds: true, problems: loadConfig(path, isRequired, alsoWrong).problems };
  } catch (error) {
    if (!(error instanceof BinnacleError) || error.code !== 'bad_config') throw error;
    return { path, holds: false, problems: problemsOf(error) };
  }
}

/**
 * Lists agents whose program, directory or key is missing, as far as this environment tells: the gateway's may differ.
 */
export function unstartable(agents: ReadonlyMap<string, AgentConfig>): ConfigFault[] {
  return [...agents.values()].flatMap((agent) => [...missingOf(agent)]);
}

function* missingOf(agent: AgentConfig): Generator<ConfigFault> {
  const { id, driver: name, cwd = homedir(), env, apiKeyEnv } = agent;
  const at = (setting: string): ConfigFault['at'] => ['agents', 'entries', id, setting];
  if (apiKeyEnv !== undefined && process.env[apiKeyEnv] === undefined) {
    yield { at: at('apiKeyEnv'), message: `The variable ${apiKeyEnv} is not set here; the gateway needs it.` };
  }
  const driver = name.includes('/') ? undefined : driverOf(name);
  if (driver?.kind !== 'process') return;
  try {
    checkProgramCwd(cwd);
  } catch {
    yield { at: at('cwd'), message: `There is no directory ${cwd}, or it cannot be entered.` };
  }
  try {
    const [program = ''] = driver.launch(agent, { memory: null, prompt: { id: '', text: '' } }).argv;
    findExecutable(program, env?.PATH ?? process.env.PATH ?? '', cwd);
  } catch (error) {
    // Only a missing command is reported here.
    if (!(error instanceof BinnacleError) || error.code !== 'command_not_found') return;
    yield { at: at('command'), message: `${error.message} Install it, or set its path.` };
  }
}

/** Returns the individual problems of a `bad_config`. */
export function problemsOf({ details, message }: BinnacleError): readonly ConfigProblem[] {
  // Created in config/config.ts with this type.
  const reported = details?.problems as readonly ConfigProblem[] | undefined;
  return reported ?? [{ path: '', line: 1, column: 1, message }];
}

export const problemLine = ({ path, line, column, message }: ConfigProblem): string =>
  printable(`${line}:${column} ${path === '' ? '' : `${path}: `}${message}`);
