// `binnacle plugin rm`, `restart`, `enable` and `disable`.

import type { Options } from '../declarations/commands.ts';
import { withClient } from '../gateway/connect.ts';
import { askYes } from '../input/prompt.ts';
import { EXIT, Failure } from '../output/failure.ts';
import { printable, styleFor } from '../output/style.ts';
import { problemLines, stateOf } from './format.ts';

export async function removePlugin(id: string, options: Options<'plugin rm'>): Promise<number> {
  return await withClient(options, async (client) => {
    const { version } = await client.plugins.get(id);
    const what = `${printable(id)} ${printable(version)}`.trim();
    if (options.yes !== true) {
      const question = `Remove ${what} with its log, its stored values, its settings and its permissions?`;
      if (!(await askYes(question, 'Pass --yes to confirm.'))) throw new Failure(EXIT.failed, 'Nothing was removed.');
    }
    await client.plugins.remove(id);
    process.stderr.write(`${what} is removed.\n`);
    return EXIT.ok;
  });
}

export async function restartPlugin(id: string, options: Options<'plugin restart'>): Promise<number> {
  return await printResult(options, (plugins) => plugins.restart(id));
}

export const setEnabled =
  (enabled: boolean) =>
  async (id: string, options: Options<'plugin enable'>): Promise<number> =>
    await printResult(options, (plugins) => plugins.setEnabled(id, enabled));

type PluginClient = Parameters<Parameters<typeof withClient>[1]>[0]['plugins'];

async function printResult(
  options: Options<'plugin restart'>,
  act: (plugins: PluginClient) => ReturnType<PluginClient['get']>,
): Promise<number> {
  const info = await withClient(options, (client) => act(client.plugins));
  if (options.json === true) process.stdout.write(`${JSON.stringify(info)}\n`);
  else {
    const lines = [`${printable(info.id)}: ${stateOf(info, styleFor(process.stderr))}`];
    if (info.problem !== null) lines.push(...problemLines(info.problem));
    process.stderr.write(`${lines.join('\n')}\n`);
  }
  return info.state === 'refused' || info.state === 'unset' || info.state === 'disabled' || info.state === 'waiting'
    ? EXIT.failed
    : EXIT.ok;
}
