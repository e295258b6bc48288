// `binnacle config check`: what is wrong with a config file, by the same reading as the gateway's. Needs no gateway.

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { BinnacleError } from '@binnacle/protocol';
import { loadConfig } from '../config/config.ts';
import type { ConfigProblem } from '../config/read-config.ts';
import { EXIT } from './failure.ts';
import { dataDir } from './place.ts';
import { printable, type Style, style } from './style.ts';

export interface ConfigCheckOptions {
  readonly data?: string;
  readonly json?: boolean;
}

export interface ConfigCheck {
  readonly path: string;
  /** False: a gateway does not start with it, and one that runs keeps the file before. */
  readonly holds: boolean;
  /** Where it holds, what is passed over. */
  readonly problems: readonly ConfigProblem[];
}

export async function checkConfig(file: string | undefined, options: ConfigCheckOptions): Promise<number> {
  const path = resolve(file ?? join(dataDir(options.data), 'config.jsonc'));
  const check = lookAtConfig(path, file !== undefined);
  if (options.json === true) process.stdout.write(`${JSON.stringify(check)}\n`);
  else process.stdout.write(checkText(check, style(process.stdout)));
  return check.holds ? EXIT.ok : EXIT.failed;
}

/** `isRequired`: it was named, so that its absence is a problem. */
export function lookAtConfig(path: string, isRequired: boolean): ConfigCheck {
  try {
    return { path, holds: true, problems: loadConfig(path, isRequired).problems };
  } catch (error) {
    if (!(error instanceof BinnacleError) || error.code !== 'bad_config') throw error;
    return { path, holds: false, problems: problemsOf(error) };
  }
}

/** What a `bad_config` says, one by one. */
export function problemsOf({ details, message }: BinnacleError): readonly ConfigProblem[] {
  // Made in read-config.ts, of this shape.
  const told = details?.problems as readonly ConfigProblem[] | undefined;
  return told ?? [{ path: '', line: 1, column: 1, message }];
}

export const problemLine = ({ path, line, column, message }: ConfigProblem): string =>
  printable(`${line}:${column} ${path === '' ? '' : `${path}: `}${message}`);

function checkText({ path, holds, problems }: ConfigCheck, look: Style): string {
  const where = printable(path);
  if (problems.length === 0) {
    return existsSync(path) ? 'No problems.\n' : `No problems: there is no ${where}, and one agent, main, echoes.\n`;
  }
  const lines = problems.map((problem) => `  ${problemLine(problem)}`);
  const verdict = holds
    ? look.yellow('A gateway takes it up; what is named here does not work, or is passed over.')
    : look.red('A gateway refuses this file.');
  return `${[where, ...lines, verdict].join('\n')}\n`;
}
