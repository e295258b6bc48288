// Texts about plugins and their permissions. All text from a plugin is sanitized here. Pure.

import {
  type PluginGrantValue,
  type PluginInfo,
  type PluginOffer,
  type PluginPermission,
  type PluginProblem,
  type PluginSetting,
  shellWord,
} from '@binnacle/protocol';
import { printable, type Style } from '../output/style.ts';

/** Returns the items of a value; undefined for the whole permission or none of it. */
export const itemsOf = (value: PluginGrantValue): readonly string[] | undefined =>
  typeof value === 'boolean' ? undefined : Object.values(value).flat();

/** Formats the extent of a permission, to follow its sentence: `: git, rg`. */
function scopeOf({ asked: requested, limits }: PluginPermission): string {
  const items = itemsOf(requested);
  if (items !== undefined) return `: ${items.map(printable).join(', ')}`;
  return limits === null ? '' : ' (without a limit)';
}

function grantStatus({ granted, missing, narrowed }: PluginPermission): string {
  const items = (itemsOf(granted) ?? []).map(printable).join(', ');
  if (narrowed) return ` (narrowed to ${items})`;
  if (missing === false) return ' (granted)';
  return items === '' ? '' : ` (granted for ${items})`;
}

/** Formats each requested permission in two lines: what it allows, and the plugin's reason. */
export function permissionLines(
  permissions: readonly PluginPermission[],
  isNew: readonly string[],
  style: Style,
): string[] {
  return permissions
    .filter(({ asked: requested }) => requested !== false)
    .flatMap((one) => {
      const mark = isNew.includes(one.permission) ? style.yellow('new ') : '';
      const granted = style.dim(grantStatus(one));
      const name = style.dim(printable(one.permission));
      return [
        `  ${mark}can ${printable(one.sentence)}${scopeOf(one)}${granted}`,
        `      ${name}  “${printable(one.reason)}”`,
      ];
    });
}

/** Lists the commands that grant the missing permissions. */
export const grantCommands = (id: string, permissions: readonly PluginPermission[]): string[] =>
  permissions.filter(({ missing }) => missing !== false).map((one) => grantCommand(id, one.permission, one.missing));

export const settingLine = ({ key, description, isRequired, isSet }: PluginSetting, style: Style): string => {
  const status = isSet ? 'set' : isRequired ? style.yellow('needed') : 'not set';
  return `  ${printable(key)}  ${status}${description === '' ? '' : style.dim(`  ${printable(description)}`)}`;
};

export function grantCommand(id: string, permission: string, value: PluginGrantValue): string {
  const items = (itemsOf(value) ?? []).map((item) => shellWord(printable(item)));
  return ['binnacle plugin grant', printable(id), printable(permission), ...items].join(' ');
}

export function stateOf({ state }: Pick<PluginInfo, 'state'>, style: Style): string {
  if (state === 'unset') return style.yellow('needs settings');
  if (state === 'running') return style.green(state);
  return state === 'refused' || state === 'disabled' ? style.red(state) : style.yellow(state);
}

export const problemLines = ({ message, hint }: PluginProblem): string[] =>
  [message, ...(hint === null ? [] : [hint])].map(printable);

const KINDS: Record<PluginOffer['kind'], string> = {
  tool: 'tool',
  hook: 'hook',
  route: 'route',
  command: 'command',
  channel: 'channel',
  driver: 'driver',
  job: 'job',
};

/** Summarizes offers: `2 tools, hook` */
export function offersInShort(offers: readonly PluginOffer[]): string {
  const counts = new Map<string, number>();
  for (const { kind } of offers) counts.set(KINDS[kind], (counts.get(KINDS[kind]) ?? 0) + 1);
  return Array.from(counts, ([kind, count]) => (count === 1 ? kind : `${count} ${kind}s`)).join(', ') || '-';
}

export function offerLine({ kind, name, inForce, permission }: PluginOffer, style: Style): string {
  const off = inForce ? '' : style.yellow(`  not in force: it lacks ${printable(permission)}`);
  return `  ${KINDS[kind]}  ${printable(name)}${off}`;
}
