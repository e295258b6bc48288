// `binnacle plugin grant` and `revoke`: permissions of a plugin, whole or by their items. The gateway writes them into the
// config file.

import type { PluginGrantValue, PluginInfo } from '@binnacle/protocol';
import { permission as permissionRow } from '../plugin/grant/permissions.ts';
import { askYes } from './asking.ts';
import { type ClientCommandOptions, withClient } from './connect.ts';
import { EXIT, Failure, usage } from './failure.ts';
import { joined, permissionNamed, valueSaid, without } from './plugin-values.ts';
import { grantCommand, itemsOf } from './plugin-words.ts';
import { printable } from './style.ts';

export interface PluginGrantOptions extends ClientCommandOptions {
  readonly yes?: boolean;
}

export async function grantPermission(
  id: string,
  permission: string,
  items: readonly string[],
  options: PluginGrantOptions,
): Promise<number> {
  const name = permissionNamed(permission);
  const more = valueSaid(name, items);
  return await withClient(options, async (client) => {
    const before = grantedIn(await client.plugins.get(id), name);
    if (before === true) {
      process.stderr.write(`${printable(id)} has all of ${name} already.\n`);
      return EXIT.ok;
    }
    const { narrowing, sentence } = permissionRow(name);
    if (more === true && narrowing !== null && options.yes !== true) {
      process.stderr.write(
        `Without a limit, ${printable(id)} can ${sentence}.\n` +
          `It can be limited to ${narrowing.items.replaceAll('`', '')}: ${grantCommand(id, name, { [narrowing.key]: [narrowing.example] })}\n`,
      );
      if (!(await askYes('Grant it without a limit?', 'Name items, or pass --yes.'))) {
        throw new Failure(EXIT.failed, 'Nothing was granted.');
      }
    }
    return tell(await client.plugins.grant(id, name, joined(before, more)), name, options);
  });
}

export async function revokePermission(
  id: string,
  permission: string,
  items: readonly string[],
  options: ClientCommandOptions,
): Promise<number> {
  const name = permissionNamed(permission);
  const less = items.length === 0 ? [] : (itemsOf(valueSaid(name, items)) ?? []);
  return await withClient(options, async (client) => {
    if (less.length === 0) return tell(await client.plugins.revoke(id, name), name, options);
    const before = grantedIn(await client.plugins.get(id), name);
    if (before === true) {
      throw usage(
        `${name} is granted without a limit, so that no item of it can be taken away.`,
        `Revoke it, then grant what is to stay: binnacle plugin revoke ${printable(id)} ${name}`,
      );
    }
    const after = without(before, less);
    const { plugins } = client;
    return tell(await (after === false ? plugins.revoke(id, name) : plugins.grant(id, name, after)), name, options);
  });
}

const grantedIn = ({ permissions }: PluginInfo, name: string): PluginGrantValue =>
  permissions.find(({ permission }) => permission === name)?.granted ?? false;

/** In force as the gateway says, not as was asked. */
function tell(info: PluginInfo, name: string, options: ClientCommandOptions): number {
  if (options.json === true) process.stdout.write(`${JSON.stringify(info)}\n`);
  else {
    const value = grantedIn(info, name);
    const items = itemsOf(value);
    const what =
      value === false ? 'is not granted' : items === undefined ? 'is granted' : `is granted for ${items.join(', ')}`;
    process.stderr.write(`${printable(info.id)}: ${name} ${printable(what)}.\n`);
  }
  return EXIT.ok;
}
