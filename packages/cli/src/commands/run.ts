// `binnacle run`: starts a program and attaches this terminal to it.

import { resolve } from 'node:path';
import { type CreateSession, defined } from '@binnacle/protocol';
import { parseKeys } from '../attach/detach-keys.ts';
import { view } from '../attach/session-view.ts';
import type { Options } from '../declarations/commands.ts';
import { withClient } from '../gateway/connect.ts';
import { parseLabels } from '../input/labels.ts';
import { EXIT, usage } from '../output/failure.ts';
import { terminalSize } from '../terminal/terminal.ts';

export async function run(command: readonly string[], options: Options<'run'>): Promise<number> {
  const keys = parseKeys(options.detachKeys);
  if (options.json === true && options.attach) throw usage('Use --json with --no-attach.');
  const spec = toSpec(command, options);
  return await withClient(options, async (client) => {
    const info = await client.sessions.create(spec);
    if (!options.attach) {
      process.stdout.write(`${options.json === true ? JSON.stringify(info) : info.id}\n`);
      return EXIT.ok;
    }
    return await view(client, info, {
      from: 'start',
      replayUntil: 0,
      lease: 'acquire',
      keys,
      closesStdin: true,
      data: options.data,
    });
  });
}

export function toSpec(command: readonly string[], options: Options<'run'>): CreateSession {
  if (options.shell !== undefined && command.length > 0) throw usage('Pass a program or --shell, not both.');
  if (options.runs === true && (options.shell !== undefined || command.length > 0)) {
    throw usage('--runs starts its own shell.', 'Leave out the program, and run it with: binnacle exec');
  }
  const env: Record<string, string> = {};
  for (const pair of options.env) {
    const at = pair.indexOf('=');
    if (at < 1) throw usage(`"${pair}" is not KEY=VALUE.`);
    env[pair.slice(0, at)] = pair.slice(at + 1);
  }
  return {
    ...defined({ command: options.shell }),
    ...(command.length === 0 ? {} : { argv: command }),
    ...(options.runs === true ? { runs: true } : {}),
    ...defined({ name: options.name }),
    ...(Object.keys(env).length === 0 ? {} : { env }),
    ...(options.label.length === 0 ? {} : { labels: parseLabels(options.label) }),
    ...(options.pipe === true ? {} : terminalSize()),
    mode: options.pipe === true ? 'pipe' : 'pty',
    cwd: resolve(options.cwd ?? '.'),
  };
}
