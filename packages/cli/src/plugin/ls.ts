// `binnacle plugin ls`: lists the plugins and their missing permissions, or shows one plugin in full.

import type { PluginInfo } from '@binnacle/protocol';
import type { Options } from '../declarations/commands.ts';
import { withClient } from '../gateway/connect.ts';
import { formatDuration } from '../input/quantities.ts';
import { EXIT } from '../output/failure.ts';
import { printable, type Style, styleFor, table, widthOf } from '../output/style.ts';
import {
  grantCommand,
  grantCommands,
  offerLine,
  offersInShort,
  permissionLines,
  problemLines,
  settingLine,
  stateOf,
} from './format.ts';

export async function listPlugins(id: string | undefined, options: Options<'plugin ls'>): Promise<number> {
  const style = styleFor(process.stdout);
  if (id !== undefined) {
    const info = await withClient(options, (client) => client.plugins.get(id));
    process.stdout.write(options.json === true ? `${JSON.stringify(info)}\n` : detailText(info, Date.now(), style));
    return EXIT.ok;
  }
  const plugins = await withClient(options, (client) => client.plugins.list());
  if (options.json === true) process.stdout.write(`${JSON.stringify({ plugins })}\n`);
  else if (plugins.length > 0) process.stdout.write(listText(plugins, style));
  else process.stderr.write('No plugins. Create one with: binnacle plugin new DIR\n');
  return EXIT.ok;
}

function listText(plugins: readonly PluginInfo[], style: Style): string {
  const head = ['ID', 'VERSION', 'LEVEL', 'STATE', 'OFFERS'].map(style.dim);
  const rows = plugins.map((one) => [
    printable(one.id),
    printable(one.version) || '-',
    one.level ?? '-',
    stateOf(one, style),
    offersInShort(one.offers),
  ]);
  const notes = plugins.flatMap((one) => [
    ...(one.problem === null ? [] : problemLines(one.problem).map((line) => `${printable(one.id)}: ${line}`)),
    // Only needed permissions; the detailed view also lists optional ones.
    ...grantCommands(
      one.id,
      one.permissions.filter(({ needed }) => needed),
    ).map((command) => `${printable(one.id)} lacks what this grants: ${command}`),
  ]);
  return table([head, ...rows], widthOf(process.stdout)) + notes.map((line) => `${line}\n`).join('');
}

function detailText(info: PluginInfo, now: number, style: Style): string {
  const facts = [
    info.level ?? 'level not known yet',
    stateOf(info, style),
    ...(info.pid === null ? [] : [`pid ${info.pid}`]),
    ...(info.memoryBytes === null ? [] : [`${Math.round(info.memoryBytes / 1024 / 1024)} MiB`]),
    ...(info.restarts === 0 ? [] : [`started again ${info.restarts} times in ten minutes`]),
    ...(info.installedAt === 0 ? [] : [`installed ${formatDuration(now - info.installedAt)} ago`]),
  ];
  const unrequested = info.permissions.filter(
    ({ asked: requested, granted }) => requested === false && granted !== false,
  );
  const lines = [
    `${style.bold(printable(info.name))} ${printable(info.version)} (${printable(info.id)})`,
    ...(info.description === '' ? [] : [`  ${printable(info.description)}`]),
    `  ${facts.join(', ')}`,
    ...(info.missing.length === 0
      ? []
      : [style.yellow(`  this machine lacks ${info.missing.join(', ')}; the isolation of plugins is weaker`)]),
    ...(info.problem === null ? [] : problemLines(info.problem).map((line) => style.red(`  ${line}`))),
    ...(info.permissions.some(({ asked: requested }) => requested !== false)
      ? ['Asks for', ...permissionLines(info.permissions, [], style)]
      : []),
    ...unrequested.map(({ permission }) => style.dim(`  ${printable(permission)} is granted, but not asked for`)),
    ...info.permissions
      .filter(({ missing }) => missing !== false)
      .map(({ permission, missing, needed }) => {
        const line = `  grant it with: ${grantCommand(info.id, permission, missing)}`;
        return needed ? style.yellow(line) : style.dim(line);
      }),
    ...(info.settings.length === 0 ? [] : ['Settings', ...info.settings.map((one) => settingLine(one, style))]),
    ...(info.offers.length === 0 ? [] : ['Offers', ...info.offers.map((offer) => offerLine(offer, style))]),
  ];
  return `${lines.join('\n')}\n`;
}
