// `binnacle config check`: problems in a config file, found by the gateway's own loader, and agents that cannot start
// here. Needs no gateway.

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Options } from '../declarations/commands.ts';
import { type ConfigCheck, inspectConfig, problemLine, unstartable } from '../doctor/config-check.ts';
import { dataDir } from '../gateway/address.ts';
import { EXIT } from '../output/failure.ts';
import { printable, type Style, styleFor } from '../output/style.ts';

/** Returns exit code 1 for any problem, even if a gateway would accept the file. */
export async function checkConfig(file: string | undefined, options: Options<'config check'>): Promise<number> {
  const path = resolve(file ?? join(dataDir(options.data), 'config.jsonc'));
  const check = inspectConfig(path, file !== undefined, unstartable);
  if (options.json === true) process.stdout.write(`${JSON.stringify(check)}\n`);
  else process.stdout.write(checkText(check, styleFor(process.stdout)));
  return check.problems.length === 0 ? EXIT.ok : EXIT.failed;
}

function checkText({ path, holds, problems }: ConfigCheck, style: Style): string {
  const where = printable(path);
  if (problems.length === 0) {
    return existsSync(path)
      ? 'No problems.\n'
      : `No problems: there is no ${where}, so the only agent is main, which echoes.\n`;
  }
  const lines = problems.map((problem) => `  ${problemLine(problem)}`);
  const verdict = holds
    ? style.yellow('A gateway accepts this file; the entries above do not work or are ignored.')
    : style.red('A gateway refuses this file.');
  return `${[where, ...lines, verdict].join('\n')}\n`;
}
