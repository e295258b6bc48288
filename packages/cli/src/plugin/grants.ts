// `binnacle plugin grant` and `revoke`: permissions of a plugin, whole or by item. The gateway writes them to the
// config file.

import type { PluginGrantValue, PluginInfo } from '@binnacle/protocol';
import {
  DENIED,
  type Grant,
  isPermission,
  PERMISSION_NAMES,
  type PermissionName,
  permission as permissionRow,
  readGrant,
  spellGrant,
  together,
  wider,
} from '@binnacle/server/plugin-manifest';
import type { Options } from '../declarations/commands.ts';
import { withClient } from '../gateway/connect.ts';
import { askYes } from '../input/prompt.ts';
import { EXIT, Failure, usage } from '../output/failure.ts';
import { printable } from '../output/style.ts';
import { grantCommand, itemsOf } from './format.ts';

export async function grantPermission(
  id: string,
  permission: string,
  items: readonly string[],
  options: Options<'plugin grant'>,
): Promise<number> {
  const name = permissionNamed(permission);
  const more = valueFrom(name, items);
  return await withClient(options, async (client) => {
    const info = await client.plugins.get(id);
    const before = grantedIn(info, name);
    if (beyond(name, before, more) === false) {
      const what = before === true ? `all of ${name}` : `that of ${name}`;
      process.stderr.write(`${printable(id)} already has ${what}.\n`);
      return EXIT.ok;
    }
    const requested = info.permissions.find((one) => one.permission === name)?.asked ?? false;
    const doubts = doubtsOf(id, name, before, more, requested);
    if (doubts.length > 0) {
      process.stderr.write(doubts.map((line) => `${line}\n`).join(''));
      const isAgreed = options.yes === true || (await askYes('Grant it?', 'Pass --yes to grant it anyway.'));
      if (!isAgreed) throw new Failure(EXIT.failed, 'Nothing was granted.');
    }
    return printGrant(await client.plugins.grant(id, name, joined(name, before, more)), name, options);
  });
}

/** Returns warnings before a grant; empty if the plugin requests exactly this and it has a limit. */
function doubtsOf(
  plugin: string,
  name: PermissionName,
  before: PluginGrantValue,
  more: PluginGrantValue,
  requested: PluginGrantValue,
): string[] {
  const { narrowing, sentence } = permissionRow(name);
  const id = printable(plugin);
  if (requested === false) return [`${id} does not ask for ${name}. With it, it can ${sentence}.`];
  if (more === true) {
    if (narrowing === null) return [];
    const had = itemsOf(before) ?? [];
    return [
      `Without a limit, ${id} can ${sentence}.`,
      ...(had.length === 0 ? [] : [`It has ${had.map(printable).join(', ')} now, which it keeps.`]),
      itemsOf(requested) === undefined
        ? `It can be limited to ${narrowing.items.replaceAll('`', '')}: ${grantCommand(plugin, name, false)} ${narrowing.key.toUpperCase()}...`
        : `It asks for less: ${grantCommand(plugin, name, requested)}`,
    ];
  }
  // A plugin that requests all of a permission cannot know the items that exist here.
  const unrequested = requested === true ? [] : (itemsOf(beyond(name, requested, more)) ?? []);
  if (unrequested.length === 0) return [];
  const items = (itemsOf(requested) ?? []).map(printable).join(', ');
  return [`${id} does not ask for ${unrequested.map(printable).join(', ')}; of ${name} it asks for ${items}.`];
}

export async function revokePermission(
  id: string,
  permission: string,
  items: readonly string[],
  options: Options<'plugin revoke'>,
): Promise<number> {
  const name = permissionNamed(permission);
  const less = items.length === 0 ? [] : (itemsOf(valueFrom(name, items)) ?? []);
  return await withClient(options, async (client) => {
    if (less.length === 0) return printGrant(await client.plugins.revoke(id, name), name, options);
    const before = grantedIn(await client.plugins.get(id), name);
    if (before === true) {
      throw usage(
        `${name} is granted without a limit, so no item of it can be revoked.`,
        `Revoke it, then grant the items to keep: binnacle plugin revoke ${printable(id)} ${name}`,
      );
    }
    const after = without(before, less);
    const { plugins } = client;
    return printGrant(
      await (after === false ? plugins.revoke(id, name) : plugins.grant(id, name, after)),
      name,
      options,
    );
  });
}

const grantedIn = ({ permissions }: PluginInfo, name: string): PluginGrantValue =>
  permissions.find(({ permission }) => permission === name)?.granted ?? false;

/** Prints the grant as the gateway reports it, not as it was requested. */
function printGrant(info: PluginInfo, name: string, options: Options<'plugin revoke'>): number {
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

/** Returns the union of two values. */
const joined = (name: PermissionName, one: PluginGrantValue, other: PluginGrantValue): PluginGrantValue =>
  spellGrant(name, together(name, grantOf(name, one), grantOf(name, other)));

/** Returns the part of `requested` beyond `has`; false for nothing. */
function beyond(name: PermissionName, has: PluginGrantValue, requested: PluginGrantValue): PluginGrantValue {
  const more = wider(name, grantOf(name, has), grantOf(name, requested));
  return more === undefined ? false : spellGrant(name, more);
}

function grantOf(name: PermissionName, value: PluginGrantValue): Grant {
  const read = readGrant(name, value);
  return 'wrong' in read ? DENIED : read.grant;
}

/** Removes items; false if no item is left. */
function without(value: PluginGrantValue, items: readonly string[]): PluginGrantValue {
  if (typeof value === 'boolean') return value;
  const [key = ''] = Object.keys(value);
  const left = (itemsOf(value) ?? []).filter((item) => !items.includes(item));
  return left.length === 0 ? false : { [key]: left };
}

/** Checks the name of a permission. Throws a usage error that lists the permissions. */
function permissionNamed(text: string): PermissionName {
  if (isPermission(text)) return text;
  throw usage(`There is no permission "${text}".`, `Use one of: ${PERMISSION_NAMES.join(', ')}`);
}

/** Converts items to the format of the config file; no items mean the whole permission. */
function valueFrom(name: PermissionName, items: readonly string[]): PluginGrantValue {
  const read = readGrant(name, items.length === 0 ? true : items);
  if ('wrong' in read) {
    throw usage(`${name}: ${read.wrong}.`, items.length > 0 ? 'For the whole permission, name no items.' : undefined);
  }
  return spellGrant(name, read.grant);
}
