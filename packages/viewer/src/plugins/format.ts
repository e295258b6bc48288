// Text about plugins. Pure.

import type {
  PluginGrantValue,
  PluginInfo,
  PluginLevel,
  PluginOffer,
  PluginPermission,
  PluginSetting,
  PluginState,
} from '@binnacle/protocol';
import { oneLine } from '../model/format.ts';
import type { Mark } from '../model/sessions.ts';

/** Describes a containment level for the person who has to trust it. */
export function levelWords(level: PluginLevel | null): string {
  switch (level) {
    case 'sealed':
      return 'It reaches its own files and what is granted below: no network, no other process, no other file.';
    case 'restricted':
      return 'Node’s permission flags alone hold it: no other file and no other process, but one wall instead of several, and with most versions of Node the network stays open.';
    case 'trusted':
      return 'Nothing holds it: it has all rights of the gateway, because the config file says so.';
    case null:
      return 'How well it is contained is known once it runs.';
  }
}

const STATES: Readonly<Record<PluginState, { readonly words: string; readonly mark: Mark }>> = {
  off: { words: 'off', mark: 'ended' },
  refused: { words: 'refused', mark: 'failed' },
  unset: { words: 'needs settings', mark: 'stalled' },
  starting: { words: 'starting', mark: 'starting' },
  running: { words: 'running', mark: 'running' },
  waiting: { words: 'ended, starts again soon', mark: 'stalled' },
  disabled: { words: 'disabled: it cannot be kept running', mark: 'failed' },
  stopped: { words: 'stopped', mark: 'ended' },
};
export const stateOf = ({ state }: Pick<PluginInfo, 'state'>) => STATES[state] ?? STATES.stopped;

const KINDS: Readonly<Record<PluginOffer['kind'], string>> = {
  tool: 'Tool for agents',
  hook: 'Hook',
  route: 'HTTP route',
  command: 'Command in chat',
  channel: 'Channel',
  driver: 'Agent driver',
  job: 'Scheduled job',
};
export const kindWords = (kind: PluginOffer['kind']): string => KINDS[kind] ?? kind;

const ITEMS: Readonly<Record<string, readonly [one: string, several: string]>> = {
  commands: ['program', 'programs'],
  keys: ['key', 'keys'],
  hosts: ['host', 'hosts'],
  on: ['hook', 'hooks'],
  names: ['name', 'names'],
};

/** Returns `nothing`, or the contents of a list: `the programs git, rg`. */
export function valueWords(value: PluginGrantValue): string {
  if (typeof value === 'boolean') return value ? 'all of it' : 'nothing';
  const parts = Object.entries(value).filter(([, items]) => items.length > 0);
  const said = parts.map(([name, items]) => {
    const [one, several] = ITEMS[name] ?? [name, name];
    return `the ${items.length === 1 ? one : several} ${items.map((item) => oneLine(item, 100)).join(', ')}`;
  });
  return said.join('; ') || 'nothing';
}

export type Standing = 'granted' | 'narrowed' | 'partly' | 'denied' | 'unasked';

export function standingOf({ asked, granted, missing, narrowed }: PluginPermission): Standing {
  if (asked === false) return 'unasked';
  if (missing === false) return narrowed ? 'narrowed' : 'granted';
  return granted === false ? 'denied' : 'partly';
}

export const standingWords: Readonly<Record<Standing, string>> = {
  granted: 'granted',
  narrowed: 'narrowed',
  partly: 'granted in part',
  denied: 'not granted',
  unasked: 'granted, though it does not ask',
};

/**
 * Describes, below the sentence and the reason, how much is requested, how much of it is granted, and what is missing.
 */
export function extentWords(one: PluginPermission): string[] {
  const { asked, granted, missing, narrowed, limits } = one;
  const said = (value: PluginGrantValue): string =>
    value === true && limits !== null ? 'without a limit' : valueWords(value);
  return [
    ...(typeof asked === 'object' ? [`Asks for ${said(asked)}.`] : []),
    ...(asked === true && limits !== null ? ['Asks for it without a limit.'] : []),
    ...(narrowed ? [`Narrowed to ${said(granted)}.`] : []),
    ...(!narrowed && typeof granted === 'object' && !isSame(granted, asked) ? [`Granted for ${said(granted)}.`] : []),
    ...(granted === true && asked !== true && limits !== null ? ['Granted without a limit.'] : []),
    ...(typeof missing === 'object' && granted !== false ? [`Not granted for ${said(missing)}.`] : []),
  ];
}

const isSame = (one: PluginGrantValue, other: PluginGrantValue): boolean => valueWords(one) === valueWords(other);

/** Returns true if the grant needs a confirmation: it opens unlisted resources, or undoes a manual restriction. */
export const isWide = ({ asked, limits, narrowed }: PluginPermission): boolean =>
  narrowed || (asked === true && limits !== null);

export function settingWords({ isRequired, isSet }: PluginSetting): string {
  if (isSet) return 'set';
  return isRequired ? 'needed, and not set' : 'not set';
}
